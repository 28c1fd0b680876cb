//! Which columns hold what nobody should come across by accident, judged by name alone.

/// How careful to be with the values of a column.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Sensitivity {
    /// Nothing special.
    Open,
    /// About a person: kept for matching on this machine, never put into a prompt.
    Personal,
    /// A secret or an official number: no value is ever kept.
    Secret,
}

/// Words, and neighbouring words, that make a column secret.
const SECRET: &[&[&str]] = &[
    &["password"],
    &["passwd"],
    &["pwd"],
    &["passphrase"],
    &["passcode"],
    &["pass", "hash"],
    &["secret"],
    &["token"],
    &["credential"],
    &["salt"],
    &["otp"],
    &["pin"],
    &["cvv"],
    &["cvc"],
    &["ssn"],
    &["iban"],
    &["api", "key"],
    &["apikey"],
    &["access", "key"],
    &["private", "key"],
    &["credit", "card"],
    &["creditcard"],
    &["card", "number"],
    &["card", "no"],
    &["card", "num"],
    &["account", "number"],
    &["social", "security"],
    &["national", "id"],
    &["tax", "id"],
    &["passport"],
];

/// The same for columns about a person.
const PERSONAL: &[&[&str]] = &[
    &["email"],
    &["mail"],
    &["phone"],
    &["mobile"],
    &["fax"],
    &["birthdate"],
    &["birthday"],
    &["birth", "date"],
    &["date", "of", "birth"],
    &["dob"],
    &["address"],
    &["street"],
    &["ip"],
    &["first", "name"],
    &["firstname"],
    &["fname"],
    &["last", "name"],
    &["lastname"],
    &["lname"],
    &["full", "name"],
    &["fullname"],
    &["middle", "name"],
    &["given", "name"],
    &["family", "name"],
    &["maiden", "name"],
    &["surname"],
    &["forename"],
    &["zip"],
    &["postcode"],
    &["postal", "code"],
];

/// Words that say the same at the end of a name whose words run together: `custemail`, `userpassword`. Only such as end
/// no other word.
const SECRET_ENDS: &[&str] = &["password", "passwd", "passphrase", "secret", "apikey"];

/// The same for columns about a person.
const PERSONAL_ENDS: &[&str] = &["email", "phone", "address", "birthdate", "surname"];

/// Judges a column by its name, whatever its letter case: `cardNumber`, `CARD_NUMBER` and `card numbers` are one.
#[must_use]
pub fn sensitivity(column: &str) -> Sensitivity {
    let words = words(column);
    let holds = |phrases: &[&[&str]]| {
        phrases
            .iter()
            .any(|phrase| words.windows(phrase.len()).any(|w| same(w, phrase)))
    };
    let ends = |ends: &[&str]| {
        words
            .iter()
            .any(|word| ends.iter().any(|end| word.ends_with(end)))
    };
    if holds(SECRET) || ends(SECRET_ENDS) {
        Sensitivity::Secret
    } else if holds(PERSONAL) || ends(PERSONAL_ENDS) {
        Sensitivity::Personal
    } else {
        Sensitivity::Open
    }
}

/// Compares word by word; a plural is the same word.
fn same(words: &[String], phrase: &[&str]) -> bool {
    words
        .iter()
        .zip(phrase)
        .all(|(word, want)| word == want || word.strip_suffix('s') == Some(want))
}

/// Splits `snake_case`, `camelCase` and `two words` into lower-case words.
fn words(name: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    let mut after_lower = false;
    for c in name.chars() {
        let starts_word = c.is_uppercase() && after_lower;
        if !c.is_alphanumeric() || starts_word {
            words.push(String::new());
        }
        if c.is_alphanumeric() {
            words
                .last_mut()
                .expect("there is always a word being built")
                .extend(c.to_lowercase());
        }
        after_lower = c.is_lowercase();
    }
    words.retain(|word| !word.is_empty());
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_judged_whatever_their_letter_case() {
        let cases = [
            ("password", Sensitivity::Secret),
            ("password_hash", Sensitivity::Secret),
            ("accessTokens", Sensitivity::Secret),
            ("CARD_NUMBER", Sensitivity::Secret),
            ("cardNumber", Sensitivity::Secret),
            ("card type", Sensitivity::Open),
            ("email", Sensitivity::Personal),
            ("work_phone", Sensitivity::Personal),
            ("ip_address", Sensitivity::Personal),
            ("shipping", Sensitivity::Open),
            ("status", Sensitivity::Open),
            ("userpassword", Sensitivity::Secret),
            ("custEmail", Sensitivity::Personal),
            ("sbcustphone", Sensitivity::Personal),
            ("last_name", Sensitivity::Personal),
            ("name", Sensitivity::Open),
            ("secretary", Sensitivity::Open),
            ("spin", Sensitivity::Open),
            ("", Sensitivity::Open),
        ];
        for (name, expect) in cases {
            assert_eq!(sensitivity(name), expect, "{name}");
        }
    }
}
