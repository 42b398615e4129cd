//! What the multipart operations promise.

use crate::cluster::{Call, Cluster, blob, code, eventually, get_input, pattern, read, tag};
use bytes::Bytes;
use pocket_api::checksum::ChecksumKind;
use pocket_api::limits::PART_MIN_BYTES;
use s3s::dto::*;
use s3s::{S3, S3Result};

const PART: usize = PART_MIN_BYTES as usize;

struct Upload<'a> {
    cluster: &'a Cluster,
    key: &'static str,
    id: String,
}

impl<'a> Upload<'a> {
    async fn create(cluster: &'a Cluster, key: &'static str) -> Self {
        Self::create_with(cluster, key, |_| {}).await
    }

    async fn create_with(
        cluster: &'a Cluster,
        key: &'static str,
        more: impl FnOnce(&mut CreateMultipartUploadInput),
    ) -> Self {
        let mut input =
            CreateMultipartUploadInput { bucket: "uploads".into(), key: key.into(), ..Default::default() };
        more(&mut input);
        let output = cluster.ops.create_multipart_upload(Call::new().with(input)).await.unwrap().output;
        Self { cluster, key, id: output.upload_id.unwrap() }
    }

    async fn part(&self, number: i32, body: Bytes) -> S3Result<String> {
        self.part_with(Call::new(), number, body).await
    }

    async fn part_with(&self, call: Call, number: i32, body: Bytes) -> S3Result<String> {
        let mut input = UploadPartInput::builder();
        input.set_bucket("uploads".into());
        input.set_key(self.key.into());
        input.set_upload_id(self.id.clone());
        input.set_part_number(number);
        input.set_content_length(Some(body.len() as i64));
        input.set_body(Some(blob(vec![body])));
        let output = self.cluster.ops.upload_part(call.with(input.build().unwrap())).await?.output;
        Ok(tag(&output.e_tag))
    }

    async fn copy(&self, number: i32, source: &str, range: Option<&str>) -> S3Result<String> {
        let mut input = UploadPartCopyInput::builder();
        input.set_bucket("uploads".into());
        input.set_key(self.key.into());
        input.set_upload_id(self.id.clone());
        input.set_part_number(number);
        input.set_copy_source(CopySource::parse(source).unwrap());
        input.set_copy_source_range(range.map(str::to_owned));
        let output =
            self.cluster.ops.upload_part_copy(Call::new().with(input.build().unwrap())).await?.output;
        Ok(tag(&output.copy_part_result.unwrap().e_tag))
    }

    async fn complete(&self, call: Call, parts: &[(i32, &str)]) -> S3Result<CompleteMultipartUploadOutput> {
        self.complete_with(call, parts, |_| {}).await
    }

    async fn complete_with(
        &self,
        call: Call,
        parts: &[(i32, &str)],
        more: impl FnOnce(&mut CompleteMultipartUploadInput),
    ) -> S3Result<CompleteMultipartUploadOutput> {
        let parts = parts.iter().map(|(number, tag)| CompletedPart {
            part_number: Some(*number),
            e_tag: Some(ETag::Strong((*tag).to_owned())),
            ..Default::default()
        });
        let mut input = CompleteMultipartUploadInput {
            bucket: "uploads".into(),
            key: self.key.into(),
            upload_id: self.id.clone(),
            multipart_upload: Some(CompletedMultipartUpload { parts: Some(parts.collect()) }),
            ..Default::default()
        };
        more(&mut input);
        Ok(self.cluster.ops.complete_multipart_upload(call.with(input)).await?.output)
    }

    async fn abort(&self) -> String {
        let input = AbortMultipartUploadInput {
            bucket: "uploads".into(),
            key: self.key.into(),
            upload_id: self.id.clone(),
            ..Default::default()
        };
        code(self.cluster.ops.abort_multipart_upload(Call::new().with(input)).await)
    }

    async fn parts(&self, max: i32, after: i32) -> S3Result<(Vec<i32>, bool)> {
        let input = ListPartsInput {
            bucket: "uploads".into(),
            key: self.key.into(),
            upload_id: self.id.clone(),
            max_parts: Some(max),
            part_number_marker: Some(after),
            ..Default::default()
        };
        let page = self.cluster.ops.list_parts(Call::new().with(input)).await?.output;
        let numbers = page.parts.unwrap().iter().filter_map(|part| part.part_number).collect();
        Ok((numbers, page.is_truncated.unwrap()))
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn parts_in_any_order_become_one_object_and_complete_can_be_repeated() {
    let cluster = Cluster::start().await;
    cluster.bucket("uploads").await;
    let upload = Upload::create(&cluster, "big").await;
    let last = upload.part(7, pattern(10)).await.unwrap();
    upload.part(2, pattern(PART)).await.unwrap();
    let first = upload.part(2, pattern(PART + 3)).await.unwrap();
    assert_eq!(upload.parts(1, 0).await.unwrap(), (vec![2], true));
    assert_eq!(upload.parts(1, 2).await.unwrap(), (vec![7], false));
    assert!(cluster.keys("uploads").await.is_empty(), "nothing is visible before it is complete");

    let list = [(2, first.as_str()), (7, last.as_str())];
    let done = upload.complete(Call::new(), &list).await.unwrap();
    let etag = tag(&done.e_tag);
    assert!(etag.ends_with("-2"), "{etag}");
    let again = upload.complete(Call::new().header("if-none-match", "*"), &list).await.unwrap();
    assert_eq!(tag(&again.e_tag), etag);
    let whole = [pattern(PART + 3), pattern(10)].concat();
    assert_eq!(cluster.get("uploads", "big").await.unwrap(), whole);
    assert_eq!(tag(&cluster.head("uploads", "big").await.unwrap().output.e_tag), etag);

    let call = Call::new();
    let connection = call.connection.clone();
    let input = GetObjectInput { part_number: Some(2), ..get_input("uploads", "big") };
    let part = cluster.ops.get_object(call.with(input)).await.unwrap().output;
    assert_eq!(part.parts_count, Some(2));
    assert_eq!(read(part, &connection).await, pattern(10));

    assert_eq!(code(upload.parts(1, 0).await), "NoSuchUpload");
    assert_eq!(code(upload.part(1, pattern(PART)).await), "NoSuchUpload");
    cluster.delete("uploads", "big").await;
    eventually("the space came back", async || cluster.used_bytes() == 0).await;
}

#[tokio::test]
async fn a_list_that_is_wrong_completes_nothing() {
    let cluster = Cluster::start().await;
    cluster.bucket("uploads").await;
    let upload = Upload::create(&cluster, "a").await;
    let one = upload.part(1, pattern(100)).await.unwrap();
    let two = upload.part(2, pattern(200)).await.unwrap();
    let run = async |parts: &[(i32, &str)]| code(upload.complete(Call::new(), parts).await);
    assert_eq!(run(&[(2, &two), (1, &one)]).await, "InvalidPartOrder");
    assert_eq!(run(&[(1, &two)]).await, "InvalidPart");
    assert_eq!(run(&[(1, &one), (3, &two)]).await, "InvalidPart");
    assert_eq!(run(&[(1, &one), (2, &two)]).await, "EntityTooSmall");
    assert_eq!(run(&[]).await, "MalformedXML");
    let sized =
        upload.complete_with(Call::new(), &[(1, &one)], |input| input.mpu_object_size = Some(99)).await;
    assert_eq!(code(sized), "InvalidRequest");
    assert_eq!(code(cluster.get("uploads", "a").await), "NoSuchKey");
    assert_eq!(run(&[(2, &two)]).await, "no error");
    assert_eq!(code(upload.part(10_001, pattern(1)).await), "InvalidArgument");
}

#[tokio::test]
async fn an_aborted_upload_gives_everything_back_and_can_be_aborted_again() {
    let cluster = Cluster::start().await;
    cluster.bucket("uploads").await;
    let upload = Upload::create(&cluster, "a").await;
    upload.part(1, pattern(PART)).await.unwrap();
    assert!(cluster.used_bytes() > 0);
    assert_eq!(upload.abort().await, "no error");
    assert_eq!(upload.abort().await, "no error");
    assert_eq!(code(upload.parts(10, 0).await), "NoSuchUpload");
    assert_eq!(code(upload.part(1, pattern(PART)).await), "NoSuchUpload");
    eventually("the space came back", async || cluster.used_bytes() == 0).await;
    let never = Upload { id: "neverissued".into(), ..upload };
    assert_eq!(never.abort().await, "NoSuchUpload");
}

#[tokio::test]
async fn checksums_of_parts_make_the_checksum_of_the_object() {
    let cluster = Cluster::start().await;
    cluster.bucket("uploads").await;
    let crc = |body: &[u8]| pocket_api::checksum::Checksum {
        algorithm: pocket_api::checksum::ChecksumAlgorithm::Crc32,
        kind: ChecksumKind::FullObject,
        value: (crc_fast::checksum(crc_fast::CrcAlgorithm::Crc32IsoHdlc, body) as u32).to_be_bytes()[..]
            .into(),
    };
    let upload = Upload::create_with(&cluster, "sums", |input| {
        input.checksum_algorithm = Some(ChecksumAlgorithm::from_static("CRC32"));
        input.checksum_type = Some(ChecksumType::from_static("FULL_OBJECT"));
    })
    .await;
    let (a, b) = (pattern(PART), pattern(77));
    let one = upload.part_with(Call::new().verdict(Ok(Some(crc(&a)))), 1, a.clone()).await.unwrap();
    let two = upload.part_with(Call::new().verdict(Ok(Some(crc(&b)))), 2, b.clone()).await.unwrap();
    let list = [(1, one.as_str()), (2, two.as_str())];
    let lie = upload
        .complete_with(Call::new(), &list, |input| input.checksum_crc32 = Some("AAAAAA==".into()))
        .await;
    assert_eq!(code(lie), "BadDigest");
    let done = upload.complete(Call::new(), &list).await.unwrap();
    let input = HeadObjectInput {
        bucket: "uploads".into(),
        key: "sums".into(),
        checksum_mode: Some(ChecksumMode::from_static(ChecksumMode::ENABLED)),
        ..Default::default()
    };
    let head = cluster.ops.head_object(Call::new().with(input)).await.unwrap().output;
    assert_eq!(head.checksum_crc32, done.checksum_crc32);
    let whole = crc(&[a, b].concat());
    use base64::Engine;
    assert_eq!(head.checksum_crc32, Some(base64::engine::general_purpose::STANDARD.encode(&whole.value)));
}

#[tokio::test]
async fn parts_are_copied_from_ranges_of_objects_here_and_in_other_buckets() {
    let cluster = Cluster::start().await;
    cluster.bucket_with("uploads", &[("x-pocket-workers", "100")]).await;
    cluster.bucket("elsewhere").await;
    let source = pattern(2 * PART);
    cluster.put("uploads", "source", source.clone()).await;
    cluster.put("elsewhere", "source", source.clone()).await;
    for key in ["joined", "joined-2", "joined-3"] {
        let upload = Upload::create(&cluster, key).await;
        let range = format!("bytes=5-{}", PART + 4);
        let one = upload.copy(1, "uploads/source", Some(&range)).await.unwrap();
        let two = upload.copy(2, "elsewhere/source", Some(&range)).await.unwrap();
        let three = upload.part(3, "end".into()).await.unwrap();
        let list = [(1, one.as_str()), (2, two.as_str()), (3, three.as_str())];
        upload.complete(Call::new(), &list).await.unwrap();
        let middle = source.slice(5..PART + 5);
        let expected = [middle.clone(), middle, "end".into()].concat();
        assert_eq!(cluster.get("uploads", key).await.unwrap(), expected);
        let bad = upload.copy(4, "uploads/source", Some("bytes=5-")).await;
        assert_eq!(code(bad), "InvalidArgument");
    }
    let upload = Upload::create(&cluster, "far").await;
    let beyond = upload.copy(1, "uploads/source", Some(&format!("bytes={}-{}", 2 * PART, 3 * PART))).await;
    assert_eq!(code(beyond), "InvalidRange");
}

#[tokio::test]
async fn uploads_are_listed_by_any_prefix_in_pages() {
    let cluster = Cluster::start().await;
    cluster.bucket_with("uploads", &[("x-pocket-workers", "100")]).await;
    let mut ids = Vec::new();
    for key in ["a/1", "a/2", "a/2", "b", "c/d"] {
        ids.push(Upload::create(&cluster, key).await.id);
    }
    let list = async |input: ListMultipartUploadsInput| {
        let input = ListMultipartUploadsInput { bucket: "uploads".into(), ..input };
        cluster.ops.list_multipart_uploads(Call::new().with(input)).await.unwrap().output
    };
    let (mut found, mut marker) = (Vec::new(), (None, None));
    loop {
        let input = ListMultipartUploadsInput {
            max_uploads: Some(2),
            key_marker: marker.0,
            upload_id_marker: marker.1,
            ..Default::default()
        };
        let page = list(input).await;
        found.extend(page.uploads.unwrap().into_iter().filter_map(|upload| upload.upload_id));
        marker = (page.next_key_marker, page.next_upload_id_marker);
        if !page.is_truncated.unwrap() {
            break;
        }
    }
    assert_eq!(found, ids);
    let prefixed = list(ListMultipartUploadsInput { prefix: Some("a/".into()), ..Default::default() }).await;
    assert_eq!(prefixed.uploads.unwrap().len(), 3);
    let rolled = list(ListMultipartUploadsInput { delimiter: Some("/".into()), ..Default::default() }).await;
    let prefixes: Vec<_> = rolled.common_prefixes.unwrap().into_iter().filter_map(|p| p.prefix).collect();
    assert_eq!((prefixes, rolled.uploads.unwrap().len()), (vec!["a/".to_owned(), "c/".to_owned()], 1));
}
