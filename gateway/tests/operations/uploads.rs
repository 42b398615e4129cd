//! What the multipart operations promise.

use crate::cluster::{Cluster, WIDE, eventually, pattern};
use crate::in_process::ask::Ask;
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use bytes::Bytes;
use pocket_api::limits::PART_MIN_BYTES;

const PART: usize = PART_MIN_BYTES as usize;

struct Upload<'a> {
    cluster: &'a Cluster,
    key: &'static str,
    id: String,
}

impl<'a> Upload<'a> {
    async fn create(cluster: &'a Cluster, key: &'static str) -> Self {
        Self::create_with(cluster, key, &[]).await
    }

    async fn create_with(cluster: &'a Cluster, key: &'static str, headers: &[(&'static str, &str)]) -> Self {
        let created = cluster.post("uploads", key).query("uploads", "").headers(headers).await.ok();
        Self { cluster, key, id: created.text("UploadId").unwrap() }
    }

    fn part(&self, number: u32, body: Bytes) -> Ask {
        let put = self.cluster.put("uploads", self.key, body);
        put.query("partNumber", number).query("uploadId", &self.id)
    }

    async fn stored_part(&self, number: u32, body: Bytes) -> String {
        self.part(number, body).await.ok().tag()
    }

    fn copy(&self, number: u32, source: &str, range: &str) -> Ask {
        let copy = self.cluster.copy(source, &format!("uploads/{}", self.key));
        let copy = copy.query("partNumber", number).query("uploadId", &self.id);
        copy.header("x-amz-copy-source-range", range)
    }

    fn complete(&self, parts: &[(u32, &str)]) -> Ask {
        let part = |(number, tag): &(u32, &str)| {
            format!("<Part><PartNumber>{number}</PartNumber><ETag>\"{tag}\"</ETag></Part>")
        };
        let parts: String = parts.iter().map(part).collect();
        let document = format!("<CompleteMultipartUpload>{parts}</CompleteMultipartUpload>");
        self.cluster.post("uploads", self.key).query("uploadId", &self.id).body(document)
    }

    async fn abort(&self) -> String {
        self.cluster.delete("uploads", self.key).query("uploadId", &self.id).await.code()
    }

    fn list(&self) -> Ask {
        self.cluster.get("uploads", self.key).query("uploadId", &self.id)
    }

    /// The numbers of at most `max` parts behind `after`, and whether there are more.
    async fn parts(&self, max: u32, after: u32) -> (Vec<String>, bool) {
        let page = self.list().query("max-parts", max).query("part-number-marker", after).await.ok();
        (page.texts("Part/PartNumber"), page.is_truncated())
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn parts_in_any_order_become_one_object_and_complete_can_be_repeated() {
    let cluster = Cluster::start().await;
    cluster.bucket("uploads").await;
    let upload = Upload::create(&cluster, "big").await;
    let last = upload.stored_part(7, pattern(10)).await;
    upload.stored_part(2, pattern(PART)).await;
    let first = upload.stored_part(2, pattern(PART + 3)).await;
    assert_eq!(upload.parts(1, 0).await, (vec!["2".to_owned()], true));
    assert_eq!(upload.parts(1, 2).await, (vec!["7".to_owned()], false));
    assert!(cluster.keys("uploads").await.is_empty(), "nothing is visible before it is complete");

    let list = [(2, first.as_str()), (7, last.as_str())];
    let etag = upload.complete(&list).await.ok().tag_inside();
    assert!(etag.ends_with("-2"), "{etag}");
    let again = upload.complete(&list).header("if-none-match", "*").await.ok();
    assert_eq!(again.tag_inside(), etag);
    let whole = [pattern(PART + 3), pattern(10)].concat();
    assert_eq!(cluster.get("uploads", "big").await.ok().body, whole);
    assert_eq!(cluster.head("uploads", "big").await.ok().tag(), etag);

    let part = cluster.get("uploads", "big").query("partNumber", 2).await.ok();
    assert_eq!(part.header("x-amz-mp-parts-count"), Some("2"));
    assert_eq!(part.body, pattern(10));

    assert_eq!(upload.list().await.code(), "NoSuchUpload");
    assert_eq!(upload.part(1, pattern(PART)).await.code(), "NoSuchUpload");
    cluster.delete("uploads", "big").await.ok();
    eventually("the space came back", async || cluster.used_bytes() == 0).await;
}

#[tokio::test]
async fn a_list_that_is_wrong_completes_nothing() {
    let cluster = Cluster::start().await;
    cluster.bucket("uploads").await;
    let upload = Upload::create(&cluster, "a").await;
    let one = upload.stored_part(1, pattern(100)).await;
    let two = upload.stored_part(2, pattern(200)).await;
    let run = async |parts: &[(u32, &str)]| upload.complete(parts).await.code();
    assert_eq!(run(&[(2, &two), (1, &one)]).await, "InvalidPartOrder");
    assert_eq!(run(&[(1, &two)]).await, "InvalidPart");
    assert_eq!(run(&[(1, &one), (3, &two)]).await, "InvalidPart");
    assert_eq!(run(&[(1, &one), (2, &two)]).await, "EntityTooSmall");
    assert_eq!(run(&[]).await, "MalformedXML");
    let sized = upload.complete(&[(1, &one)]).header("x-amz-mp-object-size", 99).await;
    assert_eq!(sized.code(), "InvalidRequest");
    assert_eq!(cluster.get("uploads", "a").await.code(), "NoSuchKey");
    assert_eq!(run(&[(2, &two)]).await, "no error");
    assert_eq!(upload.part(10_001, pattern(1)).await.code(), "InvalidArgument");
}

#[tokio::test]
async fn an_aborted_upload_gives_everything_back_and_can_be_aborted_again() {
    let cluster = Cluster::start().await;
    cluster.bucket("uploads").await;
    let upload = Upload::create(&cluster, "a").await;
    upload.stored_part(1, pattern(PART)).await;
    assert!(cluster.used_bytes() > 0);
    assert_eq!(upload.abort().await, "no error");
    assert_eq!(upload.abort().await, "no error");
    assert_eq!(upload.list().await.code(), "NoSuchUpload");
    assert_eq!(upload.part(1, pattern(PART)).await.code(), "NoSuchUpload");
    eventually("the space came back", async || cluster.used_bytes() == 0).await;
    let never = Upload { id: "neverissued".into(), ..upload };
    assert_eq!(never.abort().await, "NoSuchUpload");
}

#[tokio::test]
async fn checksums_of_parts_make_the_checksum_of_the_object() {
    let cluster = Cluster::start().await;
    cluster.bucket("uploads").await;
    const CRC32: &str = "x-amz-checksum-crc32";
    let crc = |body: &[u8]| {
        let sum = crc_fast::checksum(crc_fast::CrcAlgorithm::Crc32IsoHdlc, body) as u32;
        BASE64_STANDARD.encode(sum.to_be_bytes())
    };
    let says = [("x-amz-checksum-algorithm", "CRC32"), ("x-amz-checksum-type", "FULL_OBJECT")];
    let upload = Upload::create_with(&cluster, "sums", &says).await;
    let (a, b) = (pattern(PART), pattern(77));
    let one = upload.part(1, a.clone()).header(CRC32, crc(&a)).await.ok().tag();
    let two = upload.part(2, b.clone()).header(CRC32, crc(&b)).await.ok().tag();
    let list = [(1, one.as_str()), (2, two.as_str())];
    assert_eq!(upload.complete(&list).header(CRC32, "AAAAAA==").await.code(), "BadDigest");
    let done = upload.complete(&list).await.ok();
    let head = cluster.head("uploads", "sums").header("x-amz-checksum-mode", "ENABLED").await.ok();
    assert_eq!(head.header(CRC32), done.text("ChecksumCRC32").as_deref());
    assert_eq!(head.header(CRC32), Some(&*crc(&[a, b].concat())));
}

#[tokio::test]
async fn parts_are_copied_from_ranges_of_objects_here_and_in_other_buckets() {
    let cluster = Cluster::start().await;
    cluster.bucket_with("uploads", &[WIDE]).await;
    cluster.bucket("elsewhere").await;
    let source = pattern(2 * PART);
    cluster.stored("uploads", "source", source.clone()).await;
    cluster.stored("elsewhere", "source", source.clone()).await;
    for key in ["joined", "joined-2", "joined-3"] {
        let upload = Upload::create(&cluster, key).await;
        let range = format!("bytes=5-{}", PART + 4);
        let one = upload.copy(1, "uploads/source", &range).await.ok().tag_inside();
        let two = upload.copy(2, "elsewhere/source", &range).await.ok().tag_inside();
        let three = upload.stored_part(3, "end".into()).await;
        let list = [(1, one.as_str()), (2, two.as_str()), (3, three.as_str())];
        upload.complete(&list).await.ok();
        let middle = source.slice(5..PART + 5);
        let expected = [middle.clone(), middle, "end".into()].concat();
        assert_eq!(cluster.get("uploads", key).await.ok().body, expected);
        assert_eq!(upload.copy(4, "uploads/source", "bytes=5-").await.code(), "InvalidArgument");
    }
    let upload = Upload::create(&cluster, "far").await;
    let beyond = upload.copy(1, "uploads/source", &format!("bytes={}-{}", 2 * PART, 3 * PART));
    assert_eq!(beyond.await.code(), "InvalidRange");
}

#[tokio::test]
async fn uploads_are_listed_by_any_prefix_in_pages() {
    let cluster = Cluster::start().await;
    cluster.bucket_with("uploads", &[WIDE]).await;
    let mut ids = Vec::new();
    for key in ["a/1", "a/2", "a/2", "b", "c/d"] {
        ids.push(Upload::create(&cluster, key).await.id);
    }
    let list = || cluster.get_bucket("uploads").query("uploads", "");
    let (mut found, mut marker) = (Vec::new(), (None, None));
    loop {
        let page = list().query("max-uploads", 2).maybe("key-marker", marker.0);
        let page = page.maybe("upload-id-marker", marker.1).await.ok();
        found.extend(page.texts("Upload/UploadId"));
        marker = (page.text("NextKeyMarker"), page.text("NextUploadIdMarker"));
        if !page.is_truncated() {
            break;
        }
    }
    assert_eq!(found, ids);
    // As clients send that want to go on behind all uploads of a key.
    let behind = list().query("key-marker", "a/1").query("upload-id-marker", "f".repeat(48)).await.ok();
    assert_eq!(behind.texts("Upload/UploadId"), ids[1..]);
    let prefixed = list().query("prefix", "a/").await.ok();
    assert_eq!(prefixed.texts("Upload").len(), 3);
    let rolled = list().query("delimiter", "/").await.ok();
    assert_eq!(rolled.texts("CommonPrefixes/Prefix"), ["a/", "c/"]);
    assert_eq!(rolled.texts("Upload").len(), 1);
}
