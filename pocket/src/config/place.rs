//! Where in a configuration file something stands, for errors that point to it.

use std::ops::Range;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// A file's text with its keys and where they are; of broken TOML, as much as could be read.
pub(super) struct Places<'t> {
    text: &'t str,
    root: Spanned<DeTable<'t>>,
}

impl<'t> Places<'t> {
    pub(super) fn of(text: &'t str) -> Self {
        Self { text, root: DeTable::parse_recoverable(text).0 }
    }

    /// From 1.
    pub(super) fn line(&self, at: usize) -> usize {
        1 + self.text.bytes().take(at).filter(|b| *b == b'\n').count()
    }

    /// The key whose value, or which itself, is at `at`: `storage.capacity`. `None` outside of all.
    pub(super) fn key_at(&self, at: usize) -> Option<String> {
        let mut path = Vec::new();
        into_table(self.root.get_ref(), at, &mut path);
        (!path.is_empty()).then(|| path.join("."))
    }

    /// The line of the longest part of a path that is there. Places in arrays are numbers from 0.
    pub(super) fn line_of(&self, path: &[String]) -> Option<usize> {
        let mut table = Some(self.root.get_ref());
        let mut array = None;
        let mut found = None;
        for step in path {
            let (span, value) = match (table, array) {
                (Some(table), _) => {
                    let Some((key, value)) = table.iter().find(|(key, _)| key.get_ref() == step.as_str())
                    else {
                        break;
                    };
                    (key.span(), value)
                }
                (None, Some(items)) => {
                    let items: &toml::de::DeArray<'_> = items;
                    let Some(item) = step.parse().ok().and_then(|at: usize| items.get(at)) else { break };
                    (item.span(), item)
                }
                (None, None) => break,
            };
            found = Some(span.start);
            table = value.get_ref().as_table();
            array = value.get_ref().as_array();
        }
        found.map(|at| self.line(at))
    }

    /// Where a table `[name]` stands alone that should be one of several, `[[name]]`.
    pub(super) fn single_table(&self, name: &str) -> Option<usize> {
        let found = self.root.get_ref().iter().find(|(key, _)| key.get_ref() == name);
        found.filter(|(_, value)| value.get_ref().is_table()).map(|(key, _)| self.line(key.span().start))
    }
}

fn into_table(table: &DeTable<'_>, at: usize, path: &mut Vec<String>) {
    // Sub-tables may stand outside of the span of theirs, so all are looked into.
    let here = |span: Range<usize>| span.contains(&at);
    for (key, value) in table {
        path.push(key.get_ref().to_string());
        let before = path.len();
        into_value(value.get_ref(), at, path);
        if path.len() > before || here(key.span()) || here(value.span()) {
            return;
        }
        path.pop();
    }
}

fn into_value(value: &DeValue<'_>, at: usize, path: &mut Vec<String>) {
    if let Some(table) = value.as_table() {
        into_table(table, at, path);
    }
    let before = path.len();
    for item in value.as_array().into_iter().flatten() {
        into_value(item.get_ref(), at, path);
        if path.len() > before {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str =
        "region = \"a\"\n[storage]\ncapacity = 1\n[[tenant]]\nname = \"t\"\n[[tenant]]\nname = \"u\"\n";

    #[test]
    fn a_place_has_its_key_and_a_key_its_line() {
        let places = Places::of(TEXT);
        for (what, key, line) in [
            ("\"a\"", "region", 1),
            ("capacity", "storage.capacity", 3),
            ("1", "storage.capacity", 3),
            ("\"u\"", "tenant.name", 7),
        ] {
            let at = TEXT.find(what).unwrap();
            assert_eq!((places.key_at(at).as_deref(), places.line(at)), (Some(key), line), "{what}");
        }
        let path = |text: &str| text.split('.').map(str::to_owned).collect::<Vec<_>>();
        assert_eq!(places.line_of(&path("storage.capacity")), Some(3));
        assert_eq!(places.line_of(&path("tenant.1.name")), Some(7));
        assert_eq!(places.line_of(&path("tenant.1.secret-access-key")), Some(6));
        assert_eq!(places.line_of(&path("storage.listen")), Some(2));
        assert_eq!(places.line_of(&path("gateway.listen")), None);
    }

    #[test]
    fn one_table_is_told_from_several() {
        assert_eq!(Places::of("\n[tenant]\nname = \"t\"").single_table("tenant"), Some(2));
        assert_eq!(Places::of(TEXT).single_table("tenant"), None);
    }
}
