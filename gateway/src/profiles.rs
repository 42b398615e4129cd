//! Profiles: named sets of hints in the configuration, for jobs that cannot name their hints themselves. Checked when
//! the gateway starts, so that a request meets none that is wrong.

use pocket_api::hints::JobHints;
use std::collections::BTreeMap;

/// The profile that is always there; it has no hints unless the configuration gives it some.
pub const DEFAULT_PROFILE: &str = "default";

/// The profiles of one gateway.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Profiles {
    named: BTreeMap<String, Profile>,
    standard: String,
    auto_register: Option<String>,
}

/// Names of hints and their values, as headers would carry them.
pub type Profile = BTreeMap<String, String>;

impl Default for Profiles {
    fn default() -> Self {
        let named = [(DEFAULT_PROFILE.to_owned(), Profile::new())].into();
        Self { named, standard: DEFAULT_PROFILE.into(), auto_register: None }
    }
}

impl Profiles {
    /// `standard`: for buckets whose creator names no profile. `auto_register`: for buckets that the first write to
    /// them makes; none are made without it. The error is a line about what is wrong.
    pub fn new(
        mut named: BTreeMap<String, Profile>,
        standard: String,
        auto_register: Option<String>,
    ) -> Result<Self, String> {
        let fits = |name: &str| {
            !name.is_empty()
                && name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
        };
        named.entry(DEFAULT_PROFILE.into()).or_default();
        for (name, profile) in &named {
            if !fits(name) {
                return Err(format!("profile {name:?}: lower-case letters, digits and '-'"));
            }
            JobHints::parse(pairs(profile)).map_err(|why| format!("profile {name:?}: {why}"))?;
        }
        for name in [Some(&standard), auto_register.as_ref()].into_iter().flatten() {
            if !named.contains_key(name) {
                return Err(format!("there is no profile {name:?}"));
            }
        }
        Ok(Self { named, standard, auto_register })
    }

    pub(crate) fn get(&self, name: &str) -> Option<&Profile> {
        self.named.get(name)
    }

    /// For buckets whose creator names none.
    pub(crate) fn standard(&self) -> Option<&Profile> {
        self.named.get(&self.standard)
    }

    /// For buckets that the first write makes.
    pub(crate) fn auto_register(&self) -> Option<&Profile> {
        self.named.get(self.auto_register.as_ref()?)
    }
}

/// As [`JobHints::parse`] takes them.
pub(crate) fn pairs(profile: &Profile) -> impl Iterator<Item = (&str, &str)> {
    profile.iter().map(|(name, value)| (name.as_str(), value.as_str()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one(name: &str, hint: &str, value: &str) -> BTreeMap<String, Profile> {
        [(name.into(), [(hint.into(), value.into())].into())].into()
    }

    #[test]
    fn a_profile_is_found_by_its_name_and_as_the_standard() {
        let profiles = Profiles::new(one("shuffle", "ttl", "1h"), "shuffle".into(), None).unwrap();
        assert_eq!(profiles.standard(), profiles.get("shuffle"));
        assert_eq!(pairs(profiles.get("shuffle").unwrap()).collect::<Vec<_>>(), [("ttl", "1h")]);
        assert_eq!((profiles.get("sort"), profiles.auto_register()), (None, None));
    }

    #[test]
    fn the_default_is_always_there_and_says_nothing_by_itself() {
        let by_itself = Profiles::new(BTreeMap::new(), DEFAULT_PROFILE.into(), None).unwrap();
        assert_eq!(by_itself, Profiles::default());
        assert_eq!(by_itself.standard(), Some(&Profile::new()));
        let said = one(DEFAULT_PROFILE, "ttl", "1h");
        let auto = Some(DEFAULT_PROFILE.into());
        let profiles = Profiles::new(said.clone(), DEFAULT_PROFILE.into(), auto).unwrap();
        assert_eq!(profiles.auto_register(), Some(&said[DEFAULT_PROFILE]));
    }

    #[test]
    fn what_is_wrong_is_named_at_the_start() {
        for (named, standard, wrong) in [
            (one("Shuffle", "ttl", "1h"), "default", "Shuffle"),
            (one("shuffle", "tll", "1h"), "default", "tll"),
            (one("shuffle", "ttl", "soon"), "default", "soon"),
            (one("shuffle", "ttl", "1h"), "sort", "sort"),
        ] {
            let refused = Profiles::new(named, standard.into(), None).unwrap_err();
            assert!(refused.contains(wrong), "{refused}");
        }
    }
}
