//! What a person reads when an endpoint is ready: where it is, and lines to paste. Pure: values in, text out.

use crate::config::credentials::{ACCESS_KEY_VARIABLE, AccessKey, SECRET_KEY_VARIABLE, Source};
use std::path::Path;

/// What the lines are made of.
pub(crate) struct Banner<'a> {
    /// `http://host:port`
    pub(crate) endpoint: &'a str,
    pub(crate) region: &'a str,
    pub(crate) keys: &'a [AccessKey],
    /// `http://host:port` of the admin port, where there is one.
    pub(crate) admin: Option<&'a str>,
    /// The authority that clients have to trust, where this machine made it.
    pub(crate) authority: Option<&'a Path>,
    /// Where else the endpoint is, for other machines.
    pub(crate) also_at: &'a [String],
    /// What objects may take in all, and where that comes from; where it is this process that holds them.
    pub(crate) capacity: Option<&'a str>,
}

impl Banner<'_> {
    /// Secrets that somebody wrote down are named and not repeated: standard output is often a log.
    pub(crate) fn text(&self) -> String {
        let Banner { endpoint, region, .. } = self;
        let mut text = format!("Pocket is ready\n\n  endpoint    {endpoint}\n");
        if !self.also_at.is_empty() {
            text += &format!("  also at     {}\n", self.also_at.join(" "));
        }
        text += &format!("  region      {region}\n");
        if let Some(capacity) = self.capacity {
            text += &format!("  capacity    {capacity}\n");
        }
        let Some(key) = self.keys.first() else { return text };
        let (id, secret) = match key.source {
            Source::Generated => (key.id.clone(), key.secret.reveal().to_owned()),
            Source::Environment => {
                (format!("\"${ACCESS_KEY_VARIABLE}\""), format!("\"${SECRET_KEY_VARIABLE}\""))
            }
            Source::Table => (key.id.clone(), format!("'<secret access key of tenant {}>'", key.tenant)),
        };
        let secret_said = match key.source {
            Source::Generated => secret.clone(),
            Source::Environment => format!("from {SECRET_KEY_VARIABLE}"),
            Source::Table => "from the configuration".into(),
        };
        text += &format!("  access key  {}\n  secret key  {secret_said}\n", key.id);
        if self.keys.len() > 1 {
            text += &format!("  tenants     {} access keys in all\n", self.keys.len());
        }
        if let Some(admin) = self.admin {
            text += &format!("  admin       {admin}\n");
        }
        text += &format!(
            "\nshell\n  export AWS_ENDPOINT_URL={endpoint}\n  export AWS_REGION={region}\n  export \
             AWS_DEFAULT_REGION={region}\n  export AWS_ACCESS_KEY_ID={id}\n  export AWS_SECRET_ACCESS_KEY={secret}\n"
        );
        if let Some(authority) = self.authority {
            let file = shell_word(&authority.display().to_string());
            text += &format!(
                "\nTLS by an authority of this machine's own; the first line is for aws-cli, boto3 and s3fs, the second for \
                 most others\n  export AWS_CA_BUNDLE={file}\n  export SSL_CERT_FILE={file}\n  curl --cacert {file} {endpoint}\n"
            );
        }
        text += &format!(
            "\naws-cli, in that shell\n  aws --endpoint-url {endpoint} s3 mb s3://my-job\n  aws --endpoint-url \
             {endpoint} s3 cp README.md s3://my-job/\n"
        );
        let verify =
            self.authority.map(|file| format!(", verify=\"{}\"", file.display())).unwrap_or_default();
        text += &format!(
            "\nboto3, in that shell\n  s3 = boto3.client(\"s3\", endpoint_url=\"{endpoint}\", \
             region_name=\"{region}\"{verify})\n"
        );
        if let Some(admin) = self.admin {
            let address = admin.trim_start_matches("http://");
            text += &format!("\nwhat it is doing\n  pocket status --admin {address}\n");
        }
        text
    }
}

/// As a shell takes it for one word.
fn shell_word(text: &str) -> String {
    let is_plain = |c: char| c.is_alphanumeric() || "/._-~+:@".contains(c);
    match text.chars().all(is_plain) {
        true => text.to_owned(),
        false => format!("'{}'", text.replace('\'', r"'\''")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::secret::Secret;

    fn key(source: Source) -> AccessKey {
        AccessKey {
            tenant: "team".into(),
            id: "AKIAEXAMPLE".into(),
            secret: Secret::new("hush-hush-hush".into()),
            source,
        }
    }

    fn text(source: Source) -> String {
        let banner = Banner {
            endpoint: "http://127.0.0.1:9000",
            region: "us-east-1",
            keys: &[key(source)],
            admin: Some("http://127.0.0.1:9001"),
            authority: None,
            also_at: &["http://10.1.2.3:9000".into(), "http://[fd00::1]:9000".into()],
            capacity: Some("12GiB in memory (--capacity)"),
        };
        banner.text()
    }

    #[test]
    fn generated_credentials_are_there_to_paste() {
        let text = text(Source::Generated);
        for line in [
            "export AWS_ENDPOINT_URL=http://127.0.0.1:9000",
            "export AWS_ACCESS_KEY_ID=AKIAEXAMPLE",
            "export AWS_SECRET_ACCESS_KEY=hush-hush-hush",
            "pocket status --admin 127.0.0.1:9001",
        ] {
            assert!(text.lines().any(|l| l.trim() == line), "{line} is missing in\n{text}");
        }
    }

    #[test]
    fn where_it_can_be_reached_and_what_it_holds_are_said() {
        let text = text(Source::Generated);
        for line in [
            "also at     http://10.1.2.3:9000 http://[fd00::1]:9000",
            "capacity    12GiB in memory (--capacity)",
        ] {
            assert!(text.lines().any(|l| l.trim() == line), "{line} is missing in\n{text}");
        }
    }

    #[test]
    fn secrets_that_were_given_are_not_repeated() {
        let environment = text(Source::Environment);
        assert!(
            environment.contains("export AWS_SECRET_ACCESS_KEY=\"$POCKET_SECRET_ACCESS_KEY\""),
            "{environment}"
        );
        for source in [Source::Environment, Source::Table] {
            assert!(!text(source).contains("hush"));
        }
    }

    #[test]
    fn an_authority_is_there_to_trust() {
        let banner = Banner {
            endpoint: "https://127.0.0.1:9000",
            region: "us-east-1",
            keys: &[key(Source::Generated)],
            admin: None,
            authority: Some(Path::new("/state/ca.pem")),
            also_at: &[],
            capacity: None,
        };
        let text = banner.text();
        for said in [
            "export AWS_ENDPOINT_URL=https://127.0.0.1:9000",
            "export AWS_CA_BUNDLE=/state/ca.pem",
            "export SSL_CERT_FILE=/state/ca.pem",
            "verify=\"/state/ca.pem\")",
            "curl --cacert /state/ca.pem",
        ] {
            assert!(text.contains(said), "{said} is missing in\n{text}");
        }
    }

    #[test]
    fn a_path_is_one_word_for_a_shell() {
        assert_eq!(shell_word("/state/ca.pem"), "/state/ca.pem");
        assert_eq!(shell_word("/my state/ca.pem"), "'/my state/ca.pem'");
        assert_eq!(shell_word("/it's"), r"'/it'\''s'");
    }
}
