//! Profiles: named sets of hints in the configuration, for jobs that cannot name their hints themselves, and how open the
//! buckets are that come of them. Checked before a gateway gets them, so that a request meets none that is wrong.

use pocket_access::acl::Ownership;
use pocket_access::public_access_block::PublicAccessBlock;
use pocket_access::rules::document;
use pocket_api::hints::JobHints;
use pocket_api::settings::DocumentKind;
use std::collections::BTreeMap;
use std::sync::Arc;
use thiserror::Error;

/// The profile that is always there; it has no hints unless the configuration gives it some.
pub const DEFAULT_PROFILE: &str = "default";
const OBJECT_OWNERSHIP: &str = "object-ownership";
const PUBLIC_ACCESS_BLOCK: &str = "public-access-block";

/// The profiles of one gateway.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Profiles {
    named: BTreeMap<String, Profile>,
    standard: String,
    auto_register: Option<String>,
}

/// As the configuration has it: names of hints and their values, as headers would carry them, and how open buckets are.
pub type ProfileTable = BTreeMap<String, String>;

/// What is wrong with profiles, and where.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum BadProfile {
    #[error("profile {name:?}: {why}")]
    Bad {
        name: String,
        /// The hint or setting, where it is one.
        key: Option<String>,
        why: String,
    },
    #[error("there is no profile {name:?}")]
    Missing { name: String },
}

/// What a new bucket has unless its creator says otherwise.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Profile {
    hints: BTreeMap<String, String>,
    /// `None`: S3's default, under which ACLs do not count.
    pub(crate) ownership: Option<Ownership>,
    /// `None`: S3's default, all four switches on.
    pub(crate) block: Option<PublicAccessBlock>,
}

impl Profile {
    /// The error: the key that is wrong, and why.
    fn read(mut table: ProfileTable) -> Result<Self, (String, String)> {
        let ownership = table.remove(OBJECT_OWNERSHIP);
        let ownership = ownership.map(|said| {
            Ownership::parse(&said).ok_or_else(|| {
                let why = format!(
                    "{OBJECT_OWNERSHIP} is BucketOwnerEnforced, BucketOwnerPreferred or ObjectWriter, not {said:?}"
                );
                (OBJECT_OWNERSHIP.to_owned(), why)
            })
        });
        let block = match table.remove(PUBLIC_ACCESS_BLOCK).as_deref() {
            None | Some("on" | "true") => None,
            Some("off" | "false") => Some(PublicAccessBlock::NONE),
            Some(said) => {
                let why = format!("{PUBLIC_ACCESS_BLOCK} is on or off, not {said:?}");
                return Err((PUBLIC_ACCESS_BLOCK.to_owned(), why));
            }
        };
        let profile = Self { hints: table, ownership: ownership.transpose()?, block };
        // One by one, so that it is known which of them is wrong.
        for hint in profile.hints() {
            JobHints::parse([hint]).map_err(|why| (hint.0.to_owned(), why.to_string()))?;
        }
        Ok(profile)
    }

    /// As [`JobHints::parse`] takes them.
    pub(crate) fn hints(&self) -> impl Iterator<Item = (&str, &str)> {
        self.hints.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }

    /// What lies with the settings of a new bucket. `ownership`: what its creator says of it, which outweighs the profile.
    pub(crate) fn documents(
        &self,
        ownership: Option<Ownership>,
    ) -> impl Iterator<Item = (DocumentKind, Arc<str>)> {
        let ownership = ownership.or(self.ownership);
        let ownership = ownership.map(|said| (DocumentKind::OwnershipControls, document(&Some(said))));
        let block = self.block.map(|block| (DocumentKind::PublicAccessBlock, document(&Some(block))));
        ownership.into_iter().chain(block)
    }
}

impl Default for Profiles {
    fn default() -> Self {
        let named = [(DEFAULT_PROFILE.to_owned(), Profile::default())].into();
        Self { named, standard: DEFAULT_PROFILE.into(), auto_register: None }
    }
}

impl Profiles {
    /// `standard`: for buckets whose creator names no profile. `auto_register`: for buckets that the first write to
    /// them makes; none are made without it. The error shows as one line.
    pub fn new(
        mut tables: BTreeMap<String, ProfileTable>,
        standard: String,
        auto_register: Option<String>,
    ) -> Result<Self, BadProfile> {
        let fits = |name: &str| {
            !name.is_empty()
                && name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
        };
        tables.entry(DEFAULT_PROFILE.into()).or_default();
        let mut named = BTreeMap::new();
        for (name, table) in tables {
            if !fits(&name) {
                let why = "a name of lower-case letters, digits and '-'".to_owned();
                return Err(BadProfile::Bad { name, key: None, why });
            }
            match Profile::read(table) {
                Ok(profile) => named.insert(name, profile),
                Err((key, why)) => return Err(BadProfile::Bad { name, key: Some(key), why }),
            };
        }
        for name in [Some(&standard), auto_register.as_ref()].into_iter().flatten() {
            if !named.contains_key(name) {
                return Err(BadProfile::Missing { name: name.clone() });
            }
        }
        Ok(Self { named, standard, auto_register })
    }

    pub(crate) fn get(&self, name: &str) -> Option<&Profile> {
        self.named.get(name)
    }

    /// For buckets whose creator names none.
    pub(crate) fn standard(&self) -> &Profile {
        // Found to be there when these were made.
        &self.named[&self.standard]
    }

    /// For buckets that the first write makes.
    pub(crate) fn auto_register(&self) -> Option<&Profile> {
        self.named.get(self.auto_register.as_ref()?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one(name: &str, hint: &str, value: &str) -> BTreeMap<String, ProfileTable> {
        [(name.into(), [(hint.into(), value.into())].into())].into()
    }

    #[test]
    fn a_profile_is_found_by_its_name_and_as_the_standard() {
        let profiles = Profiles::new(one("shuffle", "ttl", "1h"), "shuffle".into(), None).unwrap();
        assert_eq!(Some(profiles.standard()), profiles.get("shuffle"));
        assert_eq!(profiles.get("shuffle").unwrap().hints().collect::<Vec<_>>(), [("ttl", "1h")]);
        assert_eq!((profiles.get("sort"), profiles.auto_register()), (None, None));
    }

    #[test]
    fn the_default_is_always_there_and_says_nothing_by_itself() {
        let by_itself = Profiles::new(BTreeMap::new(), DEFAULT_PROFILE.into(), None).unwrap();
        assert_eq!(by_itself, Profiles::default());
        assert_eq!(by_itself.standard(), &Profile::default());
        let said = one(DEFAULT_PROFILE, "ttl", "1h");
        let auto = Some(DEFAULT_PROFILE.into());
        let profiles = Profiles::new(said, DEFAULT_PROFILE.into(), auto).unwrap();
        let hints = profiles.auto_register().unwrap().hints().collect::<Vec<_>>();
        assert_eq!(hints, [("ttl", "1h")]);
    }

    #[test]
    fn a_profile_opens_buckets_only_by_the_words_for_it() {
        let read = |key: &str, value: &str| Profile::read([(key.into(), value.into())].into()).unwrap();
        assert_eq!(read(OBJECT_OWNERSHIP, "ObjectWriter").ownership, Some(Ownership::ObjectWriter));
        assert_eq!(read(PUBLIC_ACCESS_BLOCK, "off").block, Some(PublicAccessBlock::NONE));
        assert_eq!(read(PUBLIC_ACCESS_BLOCK, "on"), Profile::default());
        assert_eq!(read(PUBLIC_ACCESS_BLOCK, "off").documents(None).count(), 1);
        assert_eq!(Profile::default().documents(None).count(), 0);
    }

    #[test]
    fn a_new_bucket_has_one_ownership_its_creators_before_the_profiles() {
        let profile = Profile::read([(OBJECT_OWNERSHIP.into(), "ObjectWriter".into())].into()).unwrap();
        for (said, stands) in [
            (None, Ownership::ObjectWriter),
            (Some(Ownership::BucketOwnerPreferred), Ownership::BucketOwnerPreferred),
        ] {
            let documents: Vec<_> = profile.documents(said).collect();
            assert_eq!(documents, [(DocumentKind::OwnershipControls, document(&Some(stands)))]);
        }
    }

    #[test]
    fn what_is_wrong_is_named_at_the_start() {
        for (named, standard, wrong) in [
            (one("Shuffle", "ttl", "1h"), "default", "Shuffle"),
            (one("shuffle", "tll", "1h"), "default", "tll"),
            (one("shuffle", "ttl", "soon"), "default", "soon"),
            (one("shuffle", "ttl", "1h"), "sort", "sort"),
            (one("open", OBJECT_OWNERSHIP, "Everybody"), "default", "ObjectWriter"),
            (one("open", PUBLIC_ACCESS_BLOCK, "never"), "default", "on or off"),
        ] {
            let refused = Profiles::new(named, standard.into(), None).unwrap_err().to_string();
            assert!(refused.contains(wrong), "{refused}");
        }
    }
}
