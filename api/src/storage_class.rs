//! S3's storage classes, as writers may name them.

use serde::{Deserialize, Serialize};

/// S3's storage classes: the ones that clients may name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum StorageClass {
    Standard,
    ReducedRedundancy,
    StandardIa,
    OnezoneIa,
    IntelligentTiering,
    Glacier,
    DeepArchive,
    GlacierIr,
    ExpressOnezone,
}

impl StorageClass {
    const NAMES: [(&'static str, Self); 9] = [
        ("STANDARD", Self::Standard),
        ("REDUCED_REDUNDANCY", Self::ReducedRedundancy),
        ("STANDARD_IA", Self::StandardIa),
        ("ONEZONE_IA", Self::OnezoneIa),
        ("INTELLIGENT_TIERING", Self::IntelligentTiering),
        ("GLACIER", Self::Glacier),
        ("DEEP_ARCHIVE", Self::DeepArchive),
        ("GLACIER_IR", Self::GlacierIr),
        ("EXPRESS_ONEZONE", Self::ExpressOnezone),
    ];

    /// `None` for a class that S3 does not have.
    pub fn parse(name: &str) -> Option<Self> {
        Self::NAMES.into_iter().find(|(n, _)| *n == name).map(|(_, class)| class)
    }

    /// Whether its objects can be read only after they were restored, as in S3.
    pub fn is_archive(self) -> bool {
        matches!(self, Self::Glacier | Self::DeepArchive)
    }

    pub fn as_str(self) -> &'static str {
        Self::NAMES.into_iter().find(|(_, class)| *class == self).map_or("STANDARD", |(name, _)| name)
    }
}
