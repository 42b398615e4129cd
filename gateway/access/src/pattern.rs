//! Wildcards of policies and ARNs: `*` is any run of characters, `?` is one. Who writes a policy and who sends what it is held
//! against may both mean harm, so looking for matches has an end: [`Steps`].

/// What is left of the work that one decision may take, in characters that are looked at. Where it is spent nothing
/// matches any more, and whoever decides refuses.
#[derive(Debug)]
pub(crate) struct Steps {
    left: usize,
    are_spent: bool,
}

/// At a nanosecond or less each, below a millisecond. A policy of 20 KB whose patterns begin with what keys begin with takes
/// some thousands; thousand patterns of `*name*` against the longest key take as many as this.
const STEPS_MAX: usize = 1 << 20;

impl Steps {
    pub(crate) fn new() -> Self {
        Self { left: STEPS_MAX, are_spent: false }
    }

    /// False, now and from now on, where so many are not left.
    pub(crate) fn take(&mut self, steps: usize) -> bool {
        self.are_spent |= steps > self.left;
        self.left = self.left.saturating_sub(steps);
        !self.are_spent
    }

    pub(crate) fn are_spent(&self) -> bool {
        self.are_spent
    }
}

/// Whether all of `text` fits.
pub(crate) fn matches(pattern: &str, text: &str, steps: &mut Steps) -> bool {
    let Some((first, rest)) = pattern.split_once('*') else {
        return after(pattern, text, steps).is_some_and(str::is_empty);
    };
    let (between, last) = rest.rsplit_once('*').unwrap_or(("", rest));
    let Some(text) = after(first, text, steps) else { return false };
    let Some(mut text) = before(last, text, steps) else { return false };
    // The earliest place for one piece leaves the most room for the next, so none needs another try.
    for piece in between.split('*') {
        let Some(rest) = behind(piece, text, steps) else { return false };
        text = rest;
    }
    true
}

/// Whether a part of it may stand at any place of a text.
pub(crate) fn is_searched_for(pattern: &str) -> bool {
    let between = pattern.split_once('*').and_then(|(_, rest)| rest.rsplit_once('*'));
    between.is_some_and(|(pieces, _)| !pieces.is_empty())
}

/// Whether a pattern stands for more than itself.
pub(crate) fn has_wildcard(pattern: &str) -> bool {
    pattern.contains(['*', '?'])
}

/// What follows `piece`, which has no `*`, at the beginning of `text`.
fn after<'t>(piece: &str, text: &'t str, steps: &mut Steps) -> Option<&'t str> {
    let mut rest = text.chars();
    for wanted in piece.chars() {
        let found = rest.next()?;
        if !steps.take(1) || (wanted != '?' && wanted != found) {
            return None;
        }
    }
    Some(rest.as_str())
}

/// What comes before `piece`, which has no `*`, at the end of `text`.
fn before<'t>(piece: &str, text: &'t str, steps: &mut Steps) -> Option<&'t str> {
    let mut rest = text.chars();
    for wanted in piece.chars().rev() {
        let found = rest.next_back()?;
        if !steps.take(1) || (wanted != '?' && wanted != found) {
            return None;
        }
    }
    Some(rest.as_str())
}

/// What follows the first place of `piece`, which has no `*`, anywhere in `text`. One without `?` takes no more than the
/// length of both.
fn behind<'t>(piece: &str, text: &'t str, steps: &mut Steps) -> Option<&'t str> {
    if !piece.contains('?') {
        let found = text.find(piece).map(|at| at + piece.len());
        let is_paid = steps.take(piece.len() + found.unwrap_or(text.len()));
        return found.filter(|_| is_paid).map(|end| &text[end..]);
    }
    text.char_indices().find_map(|(at, _)| after(piece, &text[at..], steps))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn matches(pattern: &str, text: &str) -> bool {
        super::matches(pattern, text, &mut Steps::new())
    }

    /// How many characters are looked at to see that it does not fit.
    fn steps_until_refused(pattern: &str, text: &str) -> usize {
        let mut steps = Steps::new();
        assert!(!super::matches(pattern, text, &mut steps), "{pattern}");
        if steps.are_spent() { usize::MAX } else { STEPS_MAX - steps.left }
    }

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
    }

    #[test]
    fn without_question_marks_a_match_takes_no_more_than_the_lengths_of_both() {
        let text = "a".repeat(1_024);
        for pattern in [
            format!("{}b", "*a".repeat(500)),
            format!("{}b*", "*a".repeat(500)),
            format!("*{}b*", "a".repeat(500)),
            format!("*{}*b*", "a*a".repeat(300)),
            format!("{}b", "a".repeat(1_023)),
        ] {
            let steps = steps_until_refused(&pattern, &text);
            assert!(steps <= pattern.len() + 2 * text.len(), "{pattern} took {steps}");
        }
    }

    #[test]
    fn a_pattern_is_searched_for_where_it_has_something_between_two_stars() {
        for (pattern, expected) in [
            ("a", false),
            ("a/*", false),
            ("*.txt", false),
            ("a?c/*.txt", false),
            ("*", false),
            ("*a*", true),
            ("a*b*", true),
            ("a*b*c", true),
        ] {
            assert_eq!(is_searched_for(pattern), expected, "{pattern}");
        }
    }

    #[test]
    fn what_takes_too_long_matches_nothing_any_more() {
        let text = "a".repeat(8 << 10);
        let pattern = format!("*?{}b*", "a".repeat(4 << 10));
        assert_eq!(steps_until_refused(&pattern, &text), usize::MAX);
        let mut steps = Steps { left: 1, are_spent: false };
        assert!(!super::matches("ab", "ab", &mut steps) && !super::matches("a", "a", &mut steps));
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
