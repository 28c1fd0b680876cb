//! Makes a failing sequence smaller for as long as it fails: first whole steps, then single messages.

use super::script::{Act, Script, Step};

/// The smallest sequence found within so many trials for which `fails` still holds.
pub(super) fn shrink(
    script: Script,
    trials_max: usize,
    mut fails: impl FnMut(&Script) -> bool,
) -> Script {
    let mut trials = 0;
    let mut still_fails = |steps: &[Step]| {
        trials += 1;
        trials <= trials_max
            && fails(&Script {
                steps: steps.to_vec(),
            })
    };
    let mut steps = without(script.steps, &mut still_fails);
    for index in 0..steps.len() {
        let Act::Say(messages) = steps[index].act.clone() else {
            continue;
        };
        let messages = without(messages, |fewer| {
            let mut trial = steps.clone();
            trial[index].act = Act::Say(fewer.to_vec());
            still_fails(&trial)
        });
        steps[index].act = Act::Say(messages);
    }
    Script { steps }
}

/// Leaves out ever smaller runs of items.
///
/// # Source
/// Zeller and Hildebrandt, "Simplifying and Isolating Failure-Inducing Input", 2002 (the complements of ddmin).
fn without<T: Clone>(mut items: Vec<T>, mut still_fails: impl FnMut(&[T]) -> bool) -> Vec<T> {
    let mut size = items.len().div_ceil(2);
    while size > 0 {
        let mut start = 0;
        let mut has_shrunk = false;
        while start < items.len() {
            let mut fewer = items[..start].to_vec();
            fewer.extend_from_slice(&items[(start + size).min(items.len())..]);
            if !fewer.is_empty() && still_fails(&fewer) {
                items = fewer;
                has_shrunk = true;
            } else {
                start += size;
            }
        }
        if !(has_shrunk && size == 1) {
            size = if size == 1 { 0 } else { size.div_ceil(2) };
        }
    }
    items
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_fails_is_made_as_small_as_it_can_be() {
        let found = without((0..40).collect(), |items| {
            items.contains(&3) && items.contains(&31)
        });
        assert_eq!(found, [3, 31]);
    }
}
