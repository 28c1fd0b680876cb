//! Things that the world calls by several names: France is French and FRA, January is Jan.

use std::collections::HashMap;
use std::sync::LazyLock;

use super::text::words;

/// How good a name an adjective is for a place, and a place for an adjective.
const ADJECTIVE: f32 = 0.85;

/// How good a name another name is.
const OTHER_NAME: f32 = 0.95;

/// How good a name a code is.
const CODE: f32 = 0.75;

#[derive(Debug)]
struct Thing {
    members: Vec<Member>,
    section: usize,
}

#[derive(Debug)]
struct Member {
    words: Vec<String>,
    spelled: &'static str,
    kind: Kind,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Name,
    Adjective,
    Code,
}

#[derive(Debug)]
struct World {
    /// For each section, words of the columns that hold its codes.
    sections: Vec<Vec<&'static str>>,
    things: Vec<Thing>,
    /// Members by their folded words: the thing, and the member's place.
    members: HashMap<String, Vec<(usize, usize)>>,
}

/// What else a stored value is called, and how good a name that is; `column` are the words of its column's and its
/// relation's name.
pub(super) fn other_names(
    value: &str,
    column: &[String],
) -> impl Iterator<Item = (&'static [String], f32)> {
    let world = world();
    let folded = words(value).join(" ");
    let found = world.members.get(&folded).map_or(&[][..], Vec::as_slice);
    let mut others: Vec<(&[String], f32)> = Vec::new();
    for &(thing, place) in found {
        let thing = &world.things[thing];
        let member = &thing.members[place];
        let belongs = || {
            world.sections[thing.section]
                .iter()
                .any(|word| column.iter().any(|c| c == word))
        };
        // A code is one only where such codes are to be expected, and in its own letter case.
        if member.kind == Kind::Code && !(member.spelled == value && belongs()) {
            continue;
        }
        for other in thing.members.iter().filter(|m| m.words != member.words) {
            let quality = match (member.kind, other.kind) {
                (Kind::Name, Kind::Name) => OTHER_NAME,
                (Kind::Code, Kind::Name) => OTHER_NAME,
                (_, Kind::Adjective) | (Kind::Adjective, Kind::Name) => ADJECTIVE,
                // Two letters are a word more often than a code.
                (_, Kind::Code) if other.spelled.len() > 2 => CODE,
                (_, Kind::Code) => continue,
            };
            others.push((&other.words, quality));
        }
    }
    others.into_iter()
}

fn world() -> &'static World {
    static WORLD: LazyLock<World> = LazyLock::new(read);
    &WORLD
}

fn read() -> World {
    let mut world = World {
        sections: Vec::new(),
        things: Vec::new(),
        members: HashMap::new(),
    };
    for line in include_str!("world.txt").lines().map(str::trim) {
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        if let Some(section) = line.strip_prefix('[') {
            let words = section.trim_end_matches(']').split_whitespace();
            world.sections.push(words.collect());
            continue;
        }
        let thing = Thing {
            members: members(line),
            section: world.sections.len() - 1,
        };
        for (place, member) in thing.members.iter().enumerate() {
            world
                .members
                .entry(member.words.join(" "))
                .or_default()
                .push((world.things.len(), place));
        }
        world.things.push(thing);
    }
    world
}

/// `France = name, name ~ French # FR FRA`
fn members(line: &'static str) -> Vec<Member> {
    let (rest, codes) = line.split_once('#').unwrap_or((line, ""));
    let (names, adjectives) = rest.split_once('~').unwrap_or((rest, ""));
    let names = names.split(['=', ',']).map(|name| (name, Kind::Name));
    let adjectives = adjectives.split(',').map(|name| (name, Kind::Adjective));
    let codes = codes.split_whitespace().map(|name| (name, Kind::Code));
    names
        .chain(adjectives)
        .chain(codes)
        .map(|(name, kind)| Member {
            words: words(name),
            spelled: name.trim(),
            kind,
        })
        .filter(|member| !member.words.is_empty())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(value: &str, column: &str) -> Vec<String> {
        other_names(value, &words(column))
            .map(|(words, _)| words.join(" "))
            .collect()
    }

    #[test]
    fn places_are_known_by_their_adjectives_and_codes_where_codes_are_kept() {
        assert!(names("France", "origin").contains(&"french".into()));
        assert!(names("French", "cuisine").contains(&"france".into()));
        assert!(names("USA", "country").contains(&"united states".into()));
        assert!(names("United States", "country").contains(&"american".into()));
        assert!(names("DEU", "country_code").contains(&"germany".into()));
        assert!(names("DEU", "remark").is_empty());
        assert!(names("TX", "state").contains(&"texas".into()));
        assert!(
            names("tx", "state").is_empty(),
            "no code in that letter case"
        );
        assert!(names("Mar", "month").contains(&"march".into()));
        assert!(names("F", "sex").contains(&"women".into()));
        assert!(names("F", "grade").is_empty());
        assert!(names("Female", "gender").contains(&"women".into()));
        assert!(names("wug", "country").is_empty());
    }
}
