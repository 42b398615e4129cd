//! Every key of the configuration file, as `docs/configuration.md` lists them. The tests hold this table, the types
//! and the document together.

/// A key with what a reader wants to know of it.
struct Key {
    path: &'static str,
    /// A value that parses.
    example: &'static str,
    /// As shown to readers.
    default: &'static str,
    /// Options that outweigh it.
    option: &'static str,
    help: &'static str,
}

const fn key(
    path: &'static str,
    example: &'static str,
    default: &'static str,
    option: &'static str,
    help: &'static str,
) -> Key {
    Key { path, example, default, option, help }
}

const HALF: &str = "half the memory limit of the machine or cgroup";

const KEYS: &[Key] = &[
    key(
        "region",
        "\"us-east-1\"",
        "`us-east-1`",
        "`--region`",
        "Region that buckets say they are in. Requests may be signed for any.",
    ),
    key(
        "domain",
        "\"s3.example.net\"",
        "none",
        "`--domain`",
        "Requests to `BUCKET.domain` are virtual host style; without a domain, those to `BUCKET.localhost` and `BUCKET.s3.localhost` are. Path style always works.",
    ),
    key(
        "log.filter",
        "\"info\"",
        "`info`",
        "`--log`",
        "What is logged to stderr: `off`, `error`, `warn`, `info`, `debug` or `trace` for all of Pocket, and levels of single targets, such as `info,pocket_gateway=debug`. Libraries are off unless named, as in `info,hyper=debug`.",
    ),
    key(
        "admin.listen",
        "\"off\"",
        "`127.0.0.1:9001`",
        "`--admin`",
        "Serves `/metrics`, which names tenants and buckets, `/livez` and `/readyz`, and to callers on this machine what `pocket jobs`, `end` and `status` ask for; `off` for none.",
    ),
    key(
        "cluster.controller",
        "\"127.0.0.1:9010\"",
        "`127.0.0.1:9010`",
        "`--controller`",
        "Where the roles find the controller.",
    ),
    key(
        "cluster.secret",
        "\"0123456789abcdef\"",
        "none",
        "env `POCKET_CLUSTER_SECRET`",
        "Proven by planes to each other, never sent. Needed as soon as an address of a plane is not loopback. At least 16 characters.",
    ),
    key(
        "cluster.secret-file",
        "\"/dev/null\"",
        "none",
        "",
        "File with that secret, instead of the secret itself.",
    ),
    key(
        "cluster.host",
        "\"rack-3-node-7\"",
        "the host's name and the beginning of its `/etc/machine-id`",
        "`--host`",
        "Label of the machine that a role runs on. What has the same is cut off together, and may take over an address that another process of it had.",
    ),
    key(
        "gateway.listen",
        "\"127.0.0.1:9000\"",
        "`127.0.0.1:9000`",
        "`--listen` of `serve`, `gateway`",
        "The S3 endpoint. Other than loopback needs credentials that were not generated.",
    ),
    key(
        "gateway.advertise",
        "\"s3.example.net:9000\"",
        "`gateway.listen`; of a wildcard the own end of the way to the controller",
        "`--advertise`",
        "The address that `pocket status` shows, and that the controller asks whether the process has ended: the gateway's own, not that of a load balancer.",
    ),
    key(
        "gateway.tls",
        "\"off\"",
        "files, where they are named",
        "`--tls` of `serve`",
        "`auto` makes a certificate, by an authority that is kept beside the generated credentials (`serve` alone); `off` serves plain HTTP, whatever files are named.",
    ),
    key(
        "gateway.tls-cert",
        "\"/etc/pocket/tls.crt\"",
        "none",
        "`--tls-cert` of `serve`, `gateway`",
        "The certificate that S3 is served with, in PEM, and behind it those between it and what clients trust.",
    ),
    key(
        "gateway.tls-key",
        "\"/etc/pocket/tls.key\"",
        "none",
        "`--tls-key` of `serve`, `gateway`",
        "Its private key, in PEM: PKCS#8, PKCS#1 or SEC1, not encrypted.",
    ),
    key(
        "gateway.threads",
        "2",
        "the cores in `gateway`, half of them in `serve` and `dev-cluster`",
        "",
        "Threads that serve connections, each with its own event loop.",
    ),
    key(
        "gateway.default-profile",
        "\"shuffle\"",
        "`default`",
        "",
        "Profile of buckets whose LocationConstraint names none.",
    ),
    key(
        "gateway.auto-register",
        "\"shuffle\"",
        "none",
        "`--auto-register`",
        "Profile with which the first write to an unknown bucket makes it, for clients that cannot. Without it such a write is NoSuchBucket. Reading never makes a bucket.",
    ),
    key(
        "metadata.listen",
        "\"127.0.0.1:9020\"",
        "`127.0.0.1:9020`",
        "`--listen` of `metadata`",
        "Where a shard serves gateways, storage servers and the controller.",
    ),
    key(
        "metadata.advertise",
        "\"10.0.0.1:9020\"",
        "`metadata.listen`; of a wildcard the own end of the way to the controller",
        "`--advertise`",
        "The address that others call, where it differs.",
    ),
    key(
        "metadata.memory",
        "\"1GiB\"",
        HALF,
        "`--memory` of `metadata`",
        "Memory for keys, manifests and small objects of a shard. Not used by `serve`, whose shard shares `storage.capacity`.",
    ),
    key(
        "storage.listen",
        "\"127.0.0.1:9030\"",
        "`127.0.0.1:9030`",
        "`--listen` of `storage`",
        "Where a storage server serves gateways, shards and the controller.",
    ),
    key(
        "storage.advertise",
        "\"10.0.0.1:9030\"",
        "`storage.listen`; of a wildcard the own end of the way to the controller",
        "`--advertise`",
        "The address that others call, where it differs.",
    ),
    key(
        "storage.capacity",
        "\"8GiB\"",
        HALF,
        "`--capacity` of `serve`, `storage`",
        "Memory for data; in `serve` for data and metadata together.",
    ),
    key(
        "controller.listen",
        "\"127.0.0.1:9010\"",
        "`127.0.0.1:9010`",
        "`--listen` of `controller`",
        "Where the controller serves all other roles.",
    ),
    key(
        "controller.advertise",
        "\"10.0.0.1:9010\"",
        "`controller.listen`",
        "`--advertise`",
        "The address that `pocket status` shows.",
    ),
    key(
        "controller.state-file",
        "\"/var/lib/pocket/controller.json\"",
        "none",
        "`--state-file`",
        "Where the controller keeps jobs and members over its restart. Without it a restart ends all jobs.",
    ),
    key(
        "controller.node-timeout",
        "\"30s\"",
        "`30s`",
        "`--node-timeout`",
        "A node that was silent for longer is dead, though there is no evidence that it has ended: what it held is lost. At least `2s`. See [operations.md](operations.md#suspect-held-dead).",
    ),
    key(
        "tenant.name",
        "\"analytics\"",
        "required",
        "",
        "Whom the access key belongs to. Buckets belong to the tenant that created them; the keys of the environment belong to `default`.",
    ),
    key(
        "tenant.access-key-id",
        "\"ANALYTICS1\"",
        "required",
        "",
        "3 to 128 letters, digits, `-`, `_` and `.`; unique.",
    ),
    key(
        "tenant.secret-access-key",
        "\"correct horse battery\"",
        "required, or the next",
        "",
        "At least 8 characters.",
    ),
    key(
        "tenant.secret-key-file",
        "\"/dev/null\"",
        "none",
        "",
        "File with that secret instead of the secret itself; one of the process's own user must not be readable by everybody. A newline at its end does not count.",
    ),
    key(
        "profile.shuffle",
        "{ ttl = \"1h\", wait = \"10s\" }",
        "none",
        "",
        "A profile: hints by their names, such as `ttl = \"1h\"` or `reads = 1`, for buckets whose LocationConstraint is its name. Headers outweigh it, and then tags of the request. `default` is always there, and has no hints unless they are set. `object-ownership` (S3's names) and `public-access-block` (`on`, `off`) say how open new buckets are; `ObjectWriter` and `off` make them as open as those of stores without these settings.",
    ),
];

/// The document, as it must be in the repository.
fn document() -> String {
    let mut text = String::from(
        "# Configuration\n\n\
         `pocket serve` needs none. What is set on the command line outweighs the file given with `--config FILE`, which\n\
         outweighs the defaults. The file is TOML; an unknown key is an error. `pocket config --config FILE` checks what is\n\
         written in a file, on any machine, and prints what holds, secrets redacted; sizes and files that it names are held against the machine by `serve`. One file may serve all roles: each reads the tables that concern it.\n\n\
         Sizes have units (`512MiB`, `10GB`), times too (`30s`, `1m30s`), addresses are `host:port`.\n\n\
         | key | default | outweighed by | meaning |\n|---|---|---|---|\n",
    );
    for key in KEYS {
        let path = match key.path.strip_prefix("tenant.") {
            Some(name) => format!("`[[tenant]]` `{name}`"),
            None if key.path.starts_with("profile.") => "`[profile.NAME]`".into(),
            None => format!("`{}`", key.path),
        };
        text.push_str(&format!("| {path} | {} | {} | {} |\n", key.default, key.option, key.help));
    }
    text.push_str(
        "\n## Credentials\n\n\
         Access keys come from `POCKET_ACCESS_KEY_ID` and `POCKET_SECRET_ACCESS_KEY` (tenant `default`) and from `[[tenant]]`\n\
         tables; both may be there. A tenant may have several keys. Where there are none, one pair is generated and kept in\n\
         `$XDG_STATE_HOME/pocket/credentials.toml` (else `~/.local/state/pocket/credentials.toml`), readable by its owner\n\
         alone. Generated credentials are refused on other than loopback addresses, unless\n\
         `--allow-generated-credentials` says otherwise.\n\n\
         ## TLS\n\n\
         With `gateway.tls-cert` and `gateway.tls-key` (or `--tls-cert`, `--tls-key`) S3 is served in TLS 1.2 and 1.3, and on that port\n\
         in nothing else. The files are looked at every few seconds and on reload: another certificate is shown to new connections,\n\
         those that are there go on, and where a file is bad the log says so once and the old certificate stays. A swap of a link, as\n\
         Kubernetes makes it, is seen. A certificate out of its time is a warning. The admin port and the planes speak plain.\n\n\
         `pocket serve --tls auto` needs no files: it makes an authority, once, beside the generated credentials (`ca.pem` and\n\
         `ca-key.pem`, the key readable by its owner alone) and, at each start and every two weeks, a certificate for `localhost`,\n\
         `127.0.0.1`, `::1`, the machine's name and its addresses, the address that it listens on, `domain`, and buckets below\n\
         `s3.localhost` and `domain`. It prints the lines that make clients trust it:\n\n\
         <!-- before:\nexport POCKET_ACCESS_KEY_ID=my-key POCKET_SECRET_ACCESS_KEY=my-secret\n\
         pocket serve --tls auto --listen 127.0.0.1:9100 --admin off > serve.log &\n\
         for i in $(seq 500); do curl --silent --insecure https://127.0.0.1:9100 > answer && break; sleep 0.02; done\n-->\n\
         <!-- after:\naws --endpoint-url https://localhost:9100 s3 ls\ncurl --silent --show-error https://localhost:9100\n-->\n\
         ```console\n\
         $ export AWS_CA_BUNDLE=~/.local/state/pocket/ca.pem   # aws-cli, boto3, s3fs\n\
         $ export SSL_CERT_FILE=~/.local/state/pocket/ca.pem   # pyarrow, Polars, delta-rs, obstore, MinIO's SDK, s3cmd, s5cmd, SDK for Rust, curl\n\
         ```\n\n\
         `boto3.client(..., verify=\"ca.pem\")` and `curl --cacert ca.pem` say the same to one client; DuckDB is told by\n\
         `SET ca_cert_file = 'ca.pem'`. URLs begin with `https://`; where the pages of clients say `secure=False`, `use_https = False` or\n\
         `USE_SSL false`, it is true. `SSL_CERT_FILE` replaces what the system trusts: set it for one command rather than for a shell.\n\n\
         ## Reload\n\n\
         SIGHUP (`systemctl reload pocket`, see [As a service](service.md); `kill -HUP`) has a process read its file again, and the files that it names. What may\n\
         change while it serves is taken over, with the next request and without losing one:\n\n\
         - access keys: `[[tenant]]` tables and their secrets' files. The requests of a key that was removed are refused from then\n\
         \u{20}\u{20}on, and those signed with a secret that was replaced; what had begun goes on.\n\
         - profiles, `gateway.default-profile` and `gateway.auto-register`, for buckets that are made from then on.\n\
         - certificates, for new connections, see below.\n\
         - `log.filter`.\n\n\
         One line of the log says what changed, and which other keys of the file differ: those wait for a restart. Options and\n\
         variables of the process go on outweighing the file. Where anything in it is wrong, nothing is taken over, and the line says\n\
         why. Roles without access keys or profiles take over the log filter; `dev-cluster` takes over nothing and goes on. A process\n\
         that was started at a terminal ends when that terminal goes away.\n\n\
         ## For programs that start Pocket\n\n\
         `pocket serve --json` says in one line of JSON, once it serves, where: `role`, `pid`, `address` (as bound, so that port 0 can be\n\
         asked for), `endpoint`, `region`, `admin`, and in `credentials` and `authority` the files with the pair and the\n\
         authority that were made, where they were; never a secret. With `--end-with-stdin` it ends in good order when its standard input closes, as it does when its parent dies. The\n\
         roles of a cluster have both options too.\n\n\
         ## A cluster on a network\n\n\
         <!-- after:\nmkdir -p etc/pocket\necho a secret of the whole cluster > etc/pocket/secret\nchmod 600 etc/pocket/secret\n\
         sed \"s|/etc/pocket|$HOME&|\" cluster.toml > here.toml\npocket config --config here.toml\n-->\n\
         ```toml cluster.toml\n\
         [cluster]\n\
         controller = \"controller.internal:9010\"\n\
         secret-file = \"/etc/pocket/secret\"\n\n\
         [gateway]\nlisten = \"0.0.0.0:9000\"\nadvertise = \"gateway-1.internal:9000\"\n\n\
         [metadata]\nlisten = \"0.0.0.0:9020\"\nadvertise = \"metadata-1.internal:9020\"\nmemory = \"8GiB\"\n\n\
         [storage]\nlisten = \"0.0.0.0:9030\"\nadvertise = \"storage-1.internal:9030\"\ncapacity = \"48GiB\"\n\n\
         [controller]\nlisten = \"0.0.0.0:9010\"\nadvertise = \"controller.internal:9010\"\nstate-file = \"/var/lib/pocket/controller.json\"\n\n\
         [[tenant]]\nname = \"analytics\"\naccess-key-id = \"ANALYTICS1\"\nsecret-access-key = \"correct horse battery\"\n\
         ```\n",
    );
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;
    use std::collections::BTreeSet;
    use std::path::Path;

    /// A file that sets every key of the table.
    fn everything() -> toml::Table {
        let mut file = toml::Table::new();
        for key in KEYS {
            let value = format!("v = {}", key.example).parse::<toml::Table>().unwrap().remove("v").unwrap();
            match key.path.split_once('.') {
                None => drop(file.insert(key.path.into(), value)),
                Some(("tenant", name)) => {
                    let tenants = file.entry("tenant").or_insert_with(|| vec![toml::Table::new()].into());
                    tenants.as_array_mut().unwrap()[0].as_table_mut().unwrap().insert(name.into(), value);
                }
                Some((table, name)) => {
                    let table = file.entry(table).or_insert_with(|| toml::Table::new().into());
                    table.as_table_mut().unwrap().insert(name.into(), value);
                }
            }
        }
        file
    }

    #[test]
    fn the_table_names_every_key_of_the_types_and_no_other() {
        let file = everything();
        let config = Config::parse(&file.to_string()).unwrap();
        config.check().unwrap();
        let shown: toml::Table = config.shown().unwrap().parse().unwrap();
        let mut paths = BTreeSet::new();
        for (name, value) in &shown {
            let table = value.as_table().or_else(|| value.as_array().and_then(|a| a[0].as_table()));
            match table {
                None => drop(paths.insert(name.clone())),
                Some(table) => paths.extend(table.keys().map(|inner| format!("{name}.{inner}"))),
            }
        }
        let listed: BTreeSet<String> = KEYS.iter().map(|key| key.path.to_owned()).collect();
        assert_eq!(paths, listed);
    }

    #[test]
    fn the_document_lists_what_the_table_says() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/configuration.md");
        let written = std::fs::read_to_string(&path).unwrap_or_default();
        if written != document() {
            std::fs::write(&path, document()).unwrap();
            panic!("docs/configuration.md did not match and was written anew: commit it");
        }
    }

    #[test]
    fn the_example_of_a_cluster_is_accepted() {
        let document = document();
        let example = document
            .split("```toml cluster.toml\n")
            .nth(1)
            .and_then(|rest| rest.split("```").next())
            .unwrap();
        Config::parse(example).unwrap().check().unwrap();
    }
}
