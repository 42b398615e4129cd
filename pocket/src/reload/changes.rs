//! What differs between two readings of the settings, in words. Pure; never shows a secret.

use super::Settings;
use crate::config::Config;
use crate::config::credentials::AccessKey;
use crate::tls::Changed;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

/// Names shown of one kind; the rest are counted.
const SHOWN_MAX: usize = 8;

/// Keys that are taken over with the profiles, though they stand in a table that is not.
const TAKEN_OVER: [&str; 2] = ["gateway.default-profile", "gateway.auto-register"];

#[derive(Debug, Default, PartialEq)]
pub(super) struct Changes {
    /// What is taken over.
    now: Vec<String>,
    /// Keys of the file that cannot change while the process runs.
    later: BTreeSet<String>,
}

impl Changes {
    /// `tables`: of the file, those that the process reads; keys at the top concern gateways.
    pub(super) fn between(old: &Settings, new: &Settings, tables: &[&str]) -> Self {
        let mut changes = Self::default();
        let id = |key: &AccessKey| key.id.clone();
        let keys = |settings: &Settings| settings.keys.iter().map(|key| (id(key), key.clone())).collect();
        changes.say("access keys", &keys(old), &keys(new));
        let (before, after) = (&old.config, &new.config);
        if tables.contains(&"gateway") {
            changes.say("profiles", &before.profile, &after.profile);
        }
        let (was, is) = (&before.log.filter, &after.log.filter);
        if was != is {
            changes.now.push(format!("log.filter {was} -> {is}"));
        }
        let (mut flat_before, mut flat_after) = (flat(before), flat(after));
        for key in TAKEN_OVER {
            let (was, is) = (flat_before.remove(key), flat_after.remove(key));
            if was != is && tables.contains(&"gateway") {
                let shown = |value: Option<String>| value.unwrap_or("none".into());
                changes.now.push(format!("{key} {} -> {}", shown(was), shown(is)));
            }
        }
        let concerns =
            |key: &&String| tables.contains(&key.split_once('.').map_or("gateway", |(table, _)| table));
        let all: BTreeSet<&String> = flat_before.keys().chain(flat_after.keys()).collect();
        let differs = |key: &&String| flat_before.get(*key) != flat_after.get(*key);
        changes.later.extend(all.into_iter().filter(concerns).filter(differs).cloned());
        // Redacted in what is compared above.
        if before.cluster.secret != after.cluster.secret && tables.contains(&"cluster") {
            changes.later.insert("cluster.secret".into());
        }
        changes
    }

    pub(super) fn show_certificate(&mut self, changed: Changed) {
        if changed == Changed::Yes {
            self.now.push("another certificate".into());
        }
    }

    /// Whether something of the file is ignored until a restart.
    pub(super) fn any_waits(&self) -> bool {
        !self.later.is_empty()
    }

    /// Adds what came, went, and is another under the same name.
    fn say<T: PartialEq>(&mut self, what: &str, old: &BTreeMap<String, T>, new: &BTreeMap<String, T>) {
        let names = |all: Vec<&String>| {
            let mut shown: Vec<&str> = all.iter().take(SHOWN_MAX).map(|name| name.as_str()).collect();
            let more = format!("{} more", all.len().saturating_sub(SHOWN_MAX));
            if all.len() > SHOWN_MAX {
                shown.push(&more);
            }
            shown.join(" ")
        };
        let added = new.keys().filter(|name| !old.contains_key(*name)).collect();
        let changed = new.iter().filter(|(name, value)| old.get(*name).is_some_and(|was| was != *value));
        let changed = changed.map(|(name, _)| name).collect();
        let removed = old.keys().filter(|name| !new.contains_key(*name)).collect();
        for (how, which) in [("added", added), ("changed", changed), ("removed", removed)] {
            let which: Vec<&String> = which;
            if !which.is_empty() {
                self.now.push(format!("{what} {how}: {}", names(which)));
            }
        }
    }
}

impl fmt::Display for Changes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.now.is_empty() {
            true => f.write_str("nothing to take over")?,
            false => write!(f, "taken over: {}", self.now.join("; "))?,
        }
        if !self.later.is_empty() {
            let later: Vec<&str> = self.later.iter().map(String::as_str).collect();
            write!(f, "; changed in the file and ignored until a restart: {}", later.join(", "))?;
        }
        Ok(())
    }
}

/// Every other key and its value, secrets redacted.
fn flat(config: &Config) -> BTreeMap<String, String> {
    let mut table = toml::Table::try_from(config).unwrap_or_default();
    for told_apart in ["tenant", "profile", "log"] {
        table.remove(told_apart);
    }
    let shown = |value: &toml::Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    let mut flat = BTreeMap::new();
    for (name, value) in &table {
        match value.as_table() {
            None => drop(flat.insert(name.clone(), shown(value))),
            Some(inner) => {
                flat.extend(inner.iter().map(|(key, value)| (format!("{name}.{key}"), shown(value))));
            }
        }
    }
    flat
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::credentials::Source;
    use crate::config::secret::Secret;

    const SERVE: &[&str] = &["admin", "gateway", "storage"];

    fn settings(file: &str, keys: &[(&str, &str)]) -> Settings {
        let key = |(id, secret): &(&str, &str)| AccessKey {
            tenant: "team".into(),
            id: (*id).into(),
            secret: Secret::new((*secret).into()),
            source: Source::Table,
        };
        Settings { config: toml::from_str(file).unwrap(), keys: keys.iter().map(key).collect() }
    }

    #[track_caller]
    fn check(old: &Settings, new: &Settings, said: &str) {
        assert_eq!(Changes::between(old, new, SERVE).to_string(), said);
    }

    #[test]
    fn keys_profiles_and_the_log_are_taken_over_by_name_and_never_with_a_secret() {
        let old =
            settings("[profile.a]\nttl = 1\n[profile.b]\n", &[("ONE", "secret-1"), ("TWO", "secret-2")]);
        check(&old, &old, "nothing to take over");
        let keys = [("ONE", "secret-x"), ("NEW", "secret-3")];
        let file =
            "log.filter = \"warn\"\ngateway.auto-register = \"a\"\n[profile.a]\nttl = 2\n[profile.c]\n";
        check(
            &old,
            &settings(file, &keys),
            "taken over: access keys added: NEW; access keys changed: ONE; access keys removed: TWO; \
             profiles added: c; profiles changed: a; profiles removed: b; log.filter info -> warn; \
             gateway.auto-register none -> a",
        );
    }

    #[test]
    fn what_cannot_change_is_named_where_the_process_reads_it() {
        let old = settings("", &[]);
        let new = "region = \"x\"\nadmin.listen = \"off\"\nstorage.capacity = \"1GiB\"\nmetadata.memory = \"1GiB\"\n\
                   cluster.secret = \"0123456789abcdef\"";
        check(
            &old,
            &settings(new, &[]),
            "nothing to take over; changed in the file and ignored until a restart: admin.listen, region, \
             storage.capacity",
        );
        let of_storage = Changes::between(&old, &settings(new, &[]), &["cluster", "storage"]);
        assert!(of_storage.later.contains("cluster.secret") && !of_storage.later.contains("admin.listen"));
        let (was, is) = ("cluster.secret = \"0123456789abcdef\"", "cluster.secret = \"0123456789abcdeX\"");
        let changed = Changes::between(&settings(was, &[]), &settings(is, &[]), &["cluster"]);
        assert_eq!(changed.later, ["cluster.secret".to_owned()].into());
    }

    #[test]
    fn of_many_names_some_are_shown_and_the_rest_counted() {
        let many: Vec<String> = (10..30).map(|i| format!("KEY{i}")).collect();
        let keys: Vec<(&str, &str)> = many.iter().map(|id| (id.as_str(), "12345678")).collect();
        check(
            &settings("", &[]),
            &settings("", &keys),
            "taken over: access keys added: KEY10 KEY11 KEY12 KEY13 KEY14 KEY15 KEY16 KEY17 12 more",
        );
    }
}
