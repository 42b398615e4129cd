//! Times as people write them: `30s`, `1m30s`, or whole seconds.

use pocket_api::duration::{BadDuration, parse_duration, show_duration};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;
use std::time::Duration;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "Written", into = "String")]
pub(crate) struct Time(pub(crate) Duration);

/// In a file a time may be a text or a number of seconds.
#[derive(Deserialize)]
#[serde(untagged, expecting = "a time, such as \"30s\" or \"1m30s\"")]
enum Written {
    Text(String),
    Seconds(u64),
}

impl FromStr for Time {
    type Err = BadDuration;

    fn from_str(text: &str) -> Result<Self, BadDuration> {
        parse_duration(text).map(Self)
    }
}

impl TryFrom<Written> for Time {
    type Error = BadDuration;

    fn try_from(written: Written) -> Result<Self, BadDuration> {
        match written {
            Written::Text(text) => text.parse(),
            Written::Seconds(seconds) => seconds.to_string().parse(),
        }
    }
}

impl fmt::Display for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&show_duration(self.0))
    }
}

impl From<Time> for String {
    fn from(time: Time) -> String {
        time.to_string()
    }
}
