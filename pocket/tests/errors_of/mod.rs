//! The bad input that `errors.md` answers. Data alone.

#![allow(unreachable_pub)]

/// Whole files. HOME: a folder with a file `open.key` that everybody may read.
pub const FILES: &[&str] = &[
    "region",
    "region = ",
    "region = us-east-1",
    "[storage\ncapacity = 1",
    "region = \"a\"\nregion = \"b\"",
    "reigon = \"us-east-1\"",
    "[storag]\ncapacity = \"1GiB\"",
    "[storage]\ncapcity = \"1GiB\"",
    "storage = 1",
    "region = \"Under World\"",
    "domain = \"http://s3.example.net\"",
    "[log]\nfilter = \"debgu\"",
    "[log]\nfilter = \"info,pocket_gateway\"",
    "[log]\nfilter = \"info,pocket_gateway=loud\"",
    "[log]\nfilter = \"info,pocket_gatway=debug\"",
    "[log]\nfilter = \"info,warn\"",
    "[admin]\nlisten = \"never\"",
    "[gateway]\nlisten = 9000",
    "[gateway]\nlisten = \"9000\"",
    "[gateway]\nlisten = \"http://127.0.0.1:9000\"",
    "[gateway]\ntls = \"on\"",
    "[gateway]\ntls = true",
    "[gateway]\ntls-cert = \"a.pem\"",
    "[gateway]\ntls-key = \"a.pem\"",
    "[gateway]\ntls = \"auto\"\ntls-cert = \"a.pem\"\ntls-key = \"b.pem\"",
    "[gateway]\nthreads = 0",
    "[controller]\nnode-timeout = \"1s\"",
    "[controller]\nnode-timeout = \"soon\"",
    "[cluster]\nhost = \"rack 3\"",
    "[gateway]\nthreads = \"two\"",
    "[gateway]\ndefault-profile = \"shuffle\"",
    "[gateway]\nauto-register = \"shuffle\"",
    "[storage]\ncapacity = \"10 parsecs\"",
    "[storage]\ncapacity = 0",
    "[storage]\ncapacity = -1",
    "[storage]\ncapacity = 1.5",
    "[cluster]\nsecret = \"short\"",
    "[cluster]\nsecret-file = \"HOME/nowhere\"",
    "[cluster]\nsecret = \"0123456789abcdef\"\nsecret-file = \"HOME/open.key\"",
    "[tenant]\nname = \"team\"",
    "[profile]\nttl = \"1h\"",
    "[profile.Shuffle]\nttl = \"1h\"",
];

/// What of a good `[[tenant]]` table is replaced by what.
pub const TENANT: &[(&str, &str)] = &[
    ("name = \"team\"\n", ""),
    ("name = \"team\"", "name = \"the team\""),
    ("access-key-id = \"TEAMKEY\"\n", ""),
    ("\"TEAMKEY\"", "\"A/B\""),
    ("secret-access-key = \"12345678\"\n", ""),
    ("\"12345678\"", "12345678"),
    ("\"12345678\"", "\"short\""),
    (
        "secret-access-key = \"12345678\"",
        "secret-access-key = \"12345678\"\nsecret-key-file = \"HOME/open.key\"",
    ),
    ("secret-access-key = \"12345678\"", "secret-key-file = \"HOME/nowhere\""),
    ("secret-access-key = \"12345678\"", "secret-key-file = \"HOME/open.key\""),
    (
        "secret-access-key = \"12345678\"\n",
        "secret-access-key = \"12345678\"\n[[tenant]]\nname = \"b\"\naccess-key-id = \"TEAMKEY\"\nsecret-access-key = \"87654321\"\n",
    ),
];

/// Lines of a profile.
pub const PROFILES: &[&str] = &[
    "tll = \"1h\"",
    "ttl = \"15M\"",
    "ttl = \"soon\"",
    "ttl = 0",
    "ttl = 1.5",
    "ttl = [900]",
    "idle-ttl = \"1 h\"",
    "object-ttl = \"11y\"",
    "wait = \"2h\"",
    "reads = 0",
    "reads = -1",
    "reads = true",
    "workers = \"many\"",
    "capacity = \"10 parsecs\"",
    "throughput = \"fast\"",
    "latency-sensitive = \"maybe\"",
    "tier = \"tape\"",
    "tier = \"nvme\"",
    "etag = \"sha1\"",
    "seal = true",
    "seal = \"perhaps\"",
    "persist = true",
    "backing = \"s3://elsewhere\"",
    "replicas = 2",
    "on-full = \"spill\"",
    "on-full = \"panic\"",
    "class = \"nightly\"",
    "object-ownership = \"Everybody\"",
    "public-access-block = \"never\"",
];

/// Words after `pocket`, where `_` stands for a space; variables of the environment come first. TAKEN: an address in
/// use. NOBODY: one where nobody listens.
pub const COMMAND_LINES: &[&str] = &[
    "srve",
    "serve --lissten 127.0.0.1:1",
    "serve extra",
    "serve --listen 9000",
    "serve --listen",
    "serve --admin never",
    "serve --capacity 10_parsecs",
    "serve --capacity 0",
    "serve --capacity 64KiB",
    "serve --capacity 100TiB",
    "serve --log debgu",
    "serve --log pocket=loud",
    "serve --region Under_World",
    "serve --auto-register shuffle",
    "serve --config /nowhere/pocket.toml",
    "serve --listen TAKEN --admin off",
    "serve --listen 127.0.0.1:0 --admin TAKEN",
    "serve --listen 0.0.0.0:0",
    "POCKET_ACCESS_KEY_ID=0123456789 serve",
    "POCKET_SECRET_ACCESS_KEY=0123456789 serve",
    "POCKET_ACCESS_KEY_ID=A/B POCKET_SECRET_ACCESS_KEY=0123456789 serve",
    "POCKET_ACCESS_KEY_ID=AKID POCKET_SECRET_ACCESS_KEY=0123456 serve",
    "POCKET_CLUSTER_SECRET=short serve",
    "serve --tls on",
    "serve --tls-cert /nowhere.pem",
    "serve --tls-cert /nowhere.pem --tls-key /nowhere.key",
    "gateway --listen 0.0.0.0:0",
    "metadata --listen 0.0.0.0:0 --admin off",
    "metadata --memory 100TiB",
    "storage --capacity 64KiB",
    "storage --capacity 100TiB",
    "storage --listen 0.0.0.0:0 --admin off",
    "POCKET_CLUSTER_SECRET=0123456789abcdef storage --listen 0.0.0.0:0 --admin off",
    "controller --listen TAKEN --admin off",
    "controller --node-timeout 1s --admin off",
    "controller --node-timeout never",
    "monitor --host rack_3",
    "monitor --controller controller.internal:9010",
    "dev-cluster --storage 0",
    "dev-cluster --listen 0.0.0.0:0",
    "dev-cluster --listen 127.0.0.1:65535",
    "jobs --admin NOBODY",
    "status --admin NOBODY",
    "forget n5 --admin NOBODY",
    "forget storage-1 --admin NOBODY",
    "status --admin 9001",
    "end",
    "end a-bucket --admin NOBODY",
    "end a_bucket/../x",
    "config --config /nowhere/pocket.toml",
    "bench --endpoint https://127.0.0.1:1",
    "bench --endpoint http://127.0.0.1:1/path",
    "bench --endpoint http://127.0.0.1:1",
    "bench --endpoint http://NOBODY --access-key KEY --secret-key 12345678 --duration 0s",
    "bench --endpoint http://NOBODY --access-key KEY --secret-key 12345678 --duration 15M",
    "bench --endpoint http://NOBODY --access-key KEY --secret-key 12345678 --requests 0",
    "bench --endpoint http://NOBODY --access-key KEY --secret-key 12345678 --keys 0",
    "bench --endpoint http://NOBODY --access-key KEY --secret-key 12345678 --concurrency 0",
    "bench --endpoint http://NOBODY --access-key KEY --secret-key 12345678 --bucket a/b",
    "bench --endpoint http://NOBODY --access-key KEY --secret-key 12345678 --size small",
    "bench --endpoint http://NOBODY --access-key KEY --secret-key 12345678",
];

/// Key, secret and bucket of a bench run against a server that knows another key.
pub const BENCHES: &[(&str, &str, &str)] = &[
    ("NOBODYS", "12345678", "bucket"),
    (crate::support::ACCESS_KEY, "12345678", "bucket"),
    (crate::support::ACCESS_KEY, crate::support::SECRET_KEY, "Under_World"),
];

/// Mode and text of the file with generated credentials.
pub const KEPT: &[(u32, &str)] = &[
    (0o644, "access-key-id = \"AKID\"\nsecret-access-key = \"12345678\""),
    (0o600, "access-key-id = \"AKID\""),
    (0o600, "access-key-id = AKID"),
    (0o600, "access-key-id = \"AKID\"\nsecret-access-key = \"short\""),
];

/// Headers of a bucket that is made.
pub const HINTS: &[(&str, &str)] = &[
    ("x-pocket-tll", "1h"),
    ("x-pocket-ttl", "15M"),
    ("x-pocket-ttl", "0"),
    ("x-pocket-wait", "2h"),
    ("x-pocket-reads", "0"),
    ("x-pocket-capacity", "10 parsecs"),
    ("x-pocket-latency-sensitive", "maybe"),
    ("x-pocket-tier", "tape"),
    ("x-pocket-tier", "nvme"),
    ("x-pocket-replicas", "2"),
];

/// Headers of an object that is written.
pub const OBJECT_HINTS: &[(&str, &str)] = &[
    ("x-pocket-tll", "1h"),
    ("x-pocket-ttl", "15M"),
    ("x-pocket-ttl", "0"),
    ("x-pocket-reads", "0"),
    ("x-pocket-tier", "nvme"),
];

/// Tags of a bucket: a request with a document, and so are those of objects.
pub const TAGS: &[(&str, &str)] = &[
    ("pocket:tll", "1h"),
    ("pocket:ttl", "15M"),
    ("pocket:reads", "0"),
    ("pocket:tier", "nvme"),
    ("pocket-ttl", "1h"),
    ("Pocket:ttl", "1h"),
    ("pocket_ttl", "1h"),
    ("x-pocket-ttl", "1h"),
];

/// Metadata of an object that is written, behind `x-amz-meta-`.
pub const METADATA: &[(&str, &str)] = &[
    ("pocket-tll", "1h"),
    ("pocket-ttl", "15M"),
    ("pocket-reads", "0"),
    ("pocket-tier", "nvme"),
    ("pocket_ttl", "1h"),
];
