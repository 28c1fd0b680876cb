//! Phrases and their meanings, packed: a large schema has half a million of them, and every engine holds its own.

use std::hash::{BuildHasher, RandomState};
use std::ops::Range;

use super::lexicon::Entry;

/// Entries at most; what is added later is left out. Names come before values.
const ENTRIES_MAX: usize = 1_000_000;

/// Keys and their entries.
#[derive(Debug, Default)]
pub(super) struct PhraseIndex {
    keys: Keys,
    /// Where the entries of each key begin, and at last where those of the last one end.
    starts: Box<[u32]>,
    entries: Box<[Entry]>,
}

impl PhraseIndex {
    /// What a key can mean; nothing when it is not known.
    pub(super) fn get(&self, key: &str) -> &[Entry] {
        self.keys
            .find(key)
            .map_or(&[], |id| &self.entries[self.range(id)])
    }

    /// The key of an id that [`Builder::add`] gave.
    pub(super) fn key(&self, id: u32) -> &str {
        self.keys.text(id)
    }

    fn range(&self, id: u32) -> Range<usize> {
        let id = id as usize;
        self.starts[id] as usize..self.starts[id + 1] as usize
    }
}

/// An index that is being filled.
#[derive(Debug, Default)]
pub(super) struct Builder {
    keys: Keys,
    entries: Vec<(u32, Entry)>,
}

impl Builder {
    /// Adds a meaning, and tells the key's id; `None` when the index is full.
    pub(super) fn add(&mut self, key: &str, entry: Entry) -> Option<u32> {
        if self.entries.len() >= ENTRIES_MAX {
            return None;
        }
        let id = self.keys.insert(key);
        self.entries.push((id, entry));
        Some(id)
    }

    /// Packs it. A meaning that was added twice in one spelling keeps its better quality; `judge` tells what quality is
    /// left to each entry beside all those of its key, and `None` where it has to go.
    pub(super) fn finish(mut self, judge: impl Fn(&Entry, &[Entry]) -> Option<f32>) -> PhraseIndex {
        let order = |e: &Entry| (e.meaning.clone(), e.spelling.clone());
        self.entries.sort_by_key(|(id, _)| *id);
        let mut entries: Vec<Entry> = Vec::with_capacity(self.entries.len());
        let mut starts = Vec::with_capacity(self.keys.ends.len() + 1);
        let mut rest = self.entries.into_iter().peekable();
        let mut group: Vec<Entry> = Vec::new();
        for id in 0..self.keys.len() {
            starts.push(position(entries.len()));
            while let Some((_, entry)) = rest.next_if(|(of, _)| *of == id) {
                group.push(entry);
            }
            if group.len() > 1 {
                group.sort_by(|a, b| {
                    let same = (&a.meaning, &a.spelling).cmp(&(&b.meaning, &b.spelling));
                    same.then(b.quality.total_cmp(&a.quality))
                });
                group.dedup_by(|next, kept| order(next) == order(kept));
                let judged: Vec<Option<f32>> = group.iter().map(|e| judge(e, &group)).collect();
                let left = group.drain(..).zip(judged);
                entries.extend(
                    left.filter_map(|(e, quality)| quality.map(|quality| Entry { quality, ..e })),
                );
            } else {
                entries.append(&mut group);
            }
        }
        starts.push(position(entries.len()));
        self.keys.shrink();
        PhraseIndex {
            keys: self.keys,
            starts: starts.into_boxed_slice(),
            entries: entries.into_boxed_slice(),
        }
    }
}

fn position(at: usize) -> u32 {
    u32::try_from(at).expect("there are at most ENTRIES_MAX entries")
}

/// Texts in one piece of memory, and a table that finds them: a map of Strings takes three times the room.
#[derive(Debug, Default)]
struct Keys {
    text: String,
    ends: Vec<u32>,
    /// Open addressing with linear probing: an id and one, or zero. A power of two, at most three quarters full.
    slots: Vec<u32>,
    hasher: RandomState,
}

impl Keys {
    fn len(&self) -> u32 {
        position(self.ends.len())
    }

    fn text(&self, id: u32) -> &str {
        let id = id as usize;
        let start = id.checked_sub(1).map_or(0, |before| self.ends[before]);
        &self.text[start as usize..self.ends[id] as usize]
    }

    fn find(&self, key: &str) -> Option<u32> {
        if self.slots.is_empty() {
            return None;
        }
        let slot = self.slot(key);
        self.slots[slot].checked_sub(1)
    }

    fn insert(&mut self, key: &str) -> u32 {
        if (self.ends.len() + 1) * 4 > self.slots.len() * 3 {
            self.grow();
        }
        let slot = self.slot(key);
        if let Some(known) = self.slots[slot].checked_sub(1) {
            return known;
        }
        let id = self.len();
        self.text.push_str(key);
        self.ends.push(
            u32::try_from(self.text.len()).expect("a phrase is short and there are a million"),
        );
        self.slots[slot] = id + 1;
        id
    }

    /// The slot that holds a key, or the empty one where it belongs.
    fn slot(&self, key: &str) -> usize {
        let mask = self.slots.len() - 1;
        // Any part of the hash will do.
        let mut slot = self.hasher.hash_one(key) as usize & mask;
        while let Some(id) = self.slots[slot].checked_sub(1) {
            if self.text(id) == key {
                break;
            }
            slot = (slot + 1) & mask;
        }
        slot
    }

    fn grow(&mut self) {
        let size = (self.slots.len() * 2).max(1024);
        self.slots = vec![0; size];
        for id in 0..self.len() {
            let slot = self.slot(self.text(id));
            self.slots[slot] = id + 1;
        }
    }

    fn shrink(&mut self) {
        self.text.shrink_to_fit();
        self.ends.shrink_to_fit();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schema::snapshot::RelationId;
    use crate::synth::builtin::lexicon::Meaning;

    fn entry(relation: usize, quality: f32) -> Entry {
        Entry {
            meaning: Meaning::Relation(RelationId(relation)),
            quality,
            spelling: None,
            synonym: false,
        }
    }

    #[test]
    fn every_key_finds_its_own_entries_and_nothing_else() {
        let mut builder = Builder::default();
        for i in 0..5_000 {
            builder.add(&format!("key {i}"), entry(i, 1.0)).unwrap();
            builder.add(&format!("key {}", i / 2), entry(i, 0.5));
        }
        let index = builder.finish(|e, _| Some(e.quality));
        assert!(index.get("key").is_empty() && index.get("").is_empty());
        for i in [0, 7, 2_499, 2_500, 4_999] {
            let found: Vec<Meaning> = index
                .get(&format!("key {i}"))
                .iter()
                .map(|e| e.meaning.clone())
                .collect();
            assert!(found.contains(&entry(i, 1.0).meaning), "{i}");
            assert_eq!(
                found.len(),
                if i == 0 {
                    2
                } else if i < 2_500 {
                    3
                } else {
                    1
                }
            );
        }
        assert!(PhraseIndex::default().get("key").is_empty());
    }

    #[test]
    fn a_meaning_stands_once_with_its_best_quality() {
        let mut builder = Builder::default();
        for quality in [0.3, 0.9, 0.5] {
            builder.add("a", entry(1, quality));
        }
        builder.add("a", entry(2, 0.1));
        let index = builder.finish(|e, _| (e.quality > 0.2).then_some(e.quality / 2.0));
        let found = index.get("a");
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].quality, 0.45);
    }
}
