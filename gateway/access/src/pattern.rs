//! Wildcards of policies, CORS rules and ARNs: `*` is any run of characters, `?` is one.

/// Whether all of `text` fits. Takes at most the product of both lengths, however many wildcards there are.
pub(crate) fn matches(pattern: &str, text: &str) -> bool {
    run(pattern, text, |a, b| a == b)
}

/// As [`matches`], with ASCII letters of either case alike.
pub(crate) fn matches_any_case(pattern: &str, text: &str) -> bool {
    run(pattern, text, |a, b| a.eq_ignore_ascii_case(&b))
}

/// Whether a pattern stands for more than itself.
pub(crate) fn has_wildcard(pattern: &str) -> bool {
    pattern.contains(['*', '?'])
}

fn run(pattern: &str, text: &str, same: impl Fn(char, char) -> bool) -> bool {
    let (mut pattern, mut text) = (pattern, text);
    // What follows the last `*`, and the text from which that is tried next. An earlier `*` never needs another try: if
    // the rest fits behind a later start of the last one, that start can be reached.
    let mut retry: Option<(&str, &str)> = None;
    loop {
        let mut rest = pattern.chars();
        match (rest.next(), split_first(text)) {
            (Some('*'), _) => {
                pattern = rest.as_str();
                retry = Some((pattern, text));
                continue;
            }
            (Some(wanted), Some((found, text_rest))) if wanted == '?' || same(wanted, found) => {
                (pattern, text) = (rest.as_str(), text_rest);
                continue;
            }
            (None, None) => return true,
            _ => {}
        }
        let Some((after_star, from)) = retry else { return false };
        let Some((_, from)) = split_first(from) else { return false };
        (pattern, text) = (after_star, from);
        retry = Some((after_star, from));
    }
}

fn split_first(text: &str) -> Option<(char, &str)> {
    let mut chars = text.chars();
    chars.next().map(|first| (first, chars.as_str()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn wildcards_stand_for_runs_and_for_single_characters() {
        for (pattern, text) in [
            ("", ""),
            ("*", ""),
            ("*", "anything/at all"),
            ("a*c", "abcbc"),
            ("a?c", "aüc"),
            ("*/b/*", "a/b/c"),
            ("**a**", "a"),
            ("logs/20??-*", "logs/2026-11"),
        ] {
            assert!(matches(pattern, text), "{pattern} {text}");
        }
        for (pattern, text) in
            [("", "a"), ("a", ""), ("a?", "a"), ("?", ""), ("a*c", "abcb"), ("A", "a"), ("a/*", "a")]
        {
            assert!(!matches(pattern, text), "{pattern} {text}");
        }
        assert!(matches_any_case("S3:get*", "s3:GetObject"));
    }

    #[test]
    fn many_stars_do_not_take_forever() {
        let text = "a".repeat(2_000);
        assert!(!matches(&format!("{}b", "*a".repeat(500)), &text));
    }

    /// The definition, which may take forever.
    fn by_definition(pattern: &[char], text: &[char]) -> bool {
        match (pattern.split_first(), text.split_first()) {
            (None, rest) => rest.is_none(),
            (Some(('*', rest)), _) => (0..=text.len()).any(|n| by_definition(rest, &text[n..])),
            (Some(('?', rest)), Some((_, text))) => by_definition(rest, text),
            (Some((a, rest)), Some((b, text))) => a == b && by_definition(rest, text),
            (Some(_), None) => false,
        }
    }

    proptest! {
        #[test]
        fn a_match_is_what_the_definition_says(pattern in "[ab*?]{0,8}", text in "[ab]{0,10}") {
            let chars = |text: &str| text.chars().collect::<Vec<_>>();
            prop_assert_eq!(matches(&pattern, &text), by_definition(&chars(&pattern), &chars(&text)));
        }
    }
}
