//! Names of hints: what is taken for one among names that are others' too, and which one was meant by a name that is none.

use super::HINTS;
use super::value::shown;
use strsim::osa_distance;

/// Slips of the hand in a name up to which one is guessed.
const SLIPS_MAX: usize = 2;

/// Where hints are said, and which.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HintPlace {
    /// What has them, as in "a bucket takes".
    pub taker: &'static str,
    /// What their names begin with there.
    pub prefix: &'static str,
    pub names: &'static [&'static str],
}

impl HintPlace {
    /// A line about a name that is no hint here.
    pub fn unknown(&self, name: &str) -> String {
        let meant = spelt_right(name);
        let is_elsewhere = |hint: &&str| *hint == meant && !self.names.contains(hint);
        match HINTS.iter().any(is_elsewhere) {
            true => misplaced_hint(name, self.taker, self.prefix, self.names),
            false => unknown_hint(name, self.taker, self.prefix, self.names),
        }
    }
}

/// A line about a hint that there is, and not here: those that are taken here, spelt with `prefix`.
pub fn misplaced_hint(name: &str, taker: &str, prefix: &str, names: &[&str]) -> String {
    let names: Vec<String> = names.iter().map(|hint| format!("{prefix}{hint}")).collect();
    format!("{taker} does not take the hint {:?}; it takes {}", shown(name), names.join(", "))
}

/// A line about a name that is none of `names`: which of them may be meant, and all of them, the nearest first. They are spelt
/// with `prefix`.
pub fn unknown_hint(name: &str, taker: &str, prefix: &str, names: &[&str]) -> String {
    let name = shown(name);
    let meant = spelt_right(&name);
    let mut nearest: Vec<(usize, &str)> =
        names.iter().map(|hint| (osa_distance(&meant, hint), *hint)).collect();
    nearest.sort_by_key(|(distance, _)| *distance);
    let guess = match nearest.first() {
        Some((distance, hint)) if *distance <= SLIPS_MAX && *distance < hint.len() - 1 => {
            format!(" (did you mean {prefix}{hint}?)")
        }
        _ => String::new(),
    };
    let names: Vec<String> = nearest.iter().map(|(_, hint)| format!("{prefix}{hint}")).collect();
    format!("unknown hint {name:?}{guess}; {taker} takes {}", names.join(", "))
}

/// Whether a name among others' is meant for a hint: `pocket` in any case, with the `x-` of headers or without, and `-`, `:` or
/// `_`. If it is none, it is a slip.
pub fn is_meant_for_hint(name: &str) -> bool {
    behind_pocket(name).is_some()
}

fn behind_pocket(name: &str) -> Option<&str> {
    let name = name.strip_prefix(['x', 'X']).and_then(|name| name.strip_prefix('-')).unwrap_or(name);
    let (pocket, rest) = name.split_at_checked("pocket".len())?;
    pocket.eq_ignore_ascii_case("pocket").then_some(rest)?.strip_prefix(['-', ':', '_'])
}

/// The name of a hint as it would be written if it were one.
fn spelt_right(name: &str) -> String {
    behind_pocket(name).unwrap_or(name).to_ascii_lowercase().replace('_', "-")
}

#[cfg(test)]
mod tests {
    use super::super::OBJECT_HINTS;
    use super::*;

    #[test]
    fn a_slip_is_told_with_what_was_meant() {
        let tags = HintPlace { taker: "a bucket", prefix: "pocket:", names: &HINTS };
        for (name, meant) in [
            ("tll", "ttl"),
            ("TTL", "ttl"),
            ("pocket-ttl", "ttl"),
            ("Pocket:ttl", "ttl"),
            ("POCKET_idle_ttl", "idle-ttl"),
            ("x-pocket-idelttl", "idle-ttl"),
            ("worker", "workers"),
            ("wait_on", "wait-on"),
        ] {
            let text = tags.unknown(name);
            let expected = format!(
                "unknown hint {name:?} (did you mean pocket:{meant}?); a bucket takes pocket:{meant}, "
            );
            assert!(text.starts_with(&expected), "{text}");
            assert!(HINTS.iter().all(|hint| text.contains(&format!("pocket:{hint}"))), "{text}");
        }
    }

    #[test]
    fn what_is_near_to_nothing_is_not_guessed() {
        let object = HintPlace { taker: "an object", prefix: "x-pocket-", names: &OBJECT_HINTS };
        let expected = "unknown hint \"colour\"; an object takes x-pocket-ttl, x-pocket-reads";
        assert_eq!(object.unknown("colour"), expected);
        assert!(object.unknown("").starts_with("unknown hint \"\"; "), "{}", object.unknown(""));
        assert!(object.unknown(&"a".repeat(1 << 20)).len() < 200);
    }

    #[test]
    fn a_hint_of_others_is_not_called_unknown() {
        let object = HintPlace { taker: "an object", prefix: "pocket:", names: &OBJECT_HINTS };
        for name in ["tier", "pocket:tier", "Pocket_Tier"] {
            let expected =
                format!("an object does not take the hint {name:?}; it takes pocket:ttl, pocket:reads");
            assert_eq!(object.unknown(name), expected);
        }
    }

    #[test]
    fn names_that_begin_as_hints_do_are_told_from_others() {
        for name in ["pocket:ttl", "Pocket-x", "POCKET_", "pocket:", "x-pocket-ttl", "X-Pocket-Ttl"] {
            assert!(is_meant_for_hint(name), "{name}");
        }
        for name in [
            "pocket",
            "pockets",
            "my-pocket:ttl",
            "pocket ttl",
            "pock",
            "",
            "pocké:",
            "xpocket-ttl",
            "x-pockets",
        ] {
            assert!(!is_meant_for_hint(name), "{name}");
        }
    }
}
