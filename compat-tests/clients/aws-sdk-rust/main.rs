//! The AWS SDK for Rust against Pocket: streams, multipart uploads, paginators, waiters, conditions, presigned requests.

use aws_config::BehaviorVersion;
use aws_sdk_s3::Client;
use aws_sdk_s3::client::Waiters;
use aws_sdk_s3::config::http::HttpResponse;
use aws_sdk_s3::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_s3::presigning::PresigningConfig;
use aws_sdk_s3::primitives::ByteStream;
use aws_sdk_s3::types::{
    ChecksumAlgorithm, ChecksumMode, ChecksumType, CompletedMultipartUpload, CompletedPart, Delete,
    ObjectAttributes, ObjectIdentifier,
};
use futures_util::future::join_all;
use rand::rngs::StdRng;
use rand::{RngCore, SeedableRng};
use std::fmt::Debug;
use std::time::Duration;

const MIB: usize = 1 << 20;
/// More than one page of a list.
const LISTED_KEYS: usize = 1_005;
const WRITERS: usize = 8;
/// The server for "full" holds 32 MiB; each object fits it, all together do not.
const FILL_BYTES: usize = 8 * MIB;
const FILL_OBJECTS: usize = 8;
const WAIT: Duration = Duration::from_secs(20);
/// What XML cannot say is listed by encoding-type=url alone, which the SDK sends for nobody.
const ODD_KEYS: [&str; 14] = [
    "a",
    "a/b",
    "dir/",
    "//x",
    "two  spaces",
    "plus+and%20percent%",
    "?query&amp;=#",
    "ümläut-ß-日本",
    "dots/../.",
    "<xml>'\"",
    "back\\slash",
    "tab\tline\nbreak\r",
    "./a",
    "a/../b",
];

struct Job {
    s3: Client,
    bucket: String,
}

#[tokio::main]
async fn main() {
    let job = Job::new("POCKET_ENDPOINT").await;
    job.objects().await;
    job.keys().await;
    job.multipart().await;
    if std::env::var("POCKET_PART").is_ok_and(|part| part == "brief") {
        return job.end().await;
    }
    job.conditions().await;
    job.pages().await;
    job.presigned().await;
    job.missing().await;
    job.end().await;
    println!("ok waiters, bulk deletion and removal");
    let small = Job::new("POCKET_SMALL_ENDPOINT").await;
    small.full().await;
    small.end().await;
}

impl Job {
    async fn new(variable: &str) -> Self {
        let endpoint = std::env::var(variable).unwrap();
        let settings = aws_config::defaults(BehaviorVersion::latest()).load().await;
        let config = aws_sdk_s3::config::Builder::from(&settings)
            .endpoint_url(endpoint)
            .force_path_style(true)
            .build();
        let s3 = Client::from_conf(config);
        let bucket = format!("rust-{:016x}", rand::random::<u64>());
        s3.create_bucket().bucket(&bucket).send().await.unwrap();
        s3.wait_until_bucket_exists().bucket(&bucket).wait(WAIT).await.unwrap();
        Self { s3, bucket }
    }

    async fn objects(&self) {
        let data = noise(300_000);
        let put = self.s3.put_object().bucket(&self.bucket).key("object").body(data.clone().into());
        let put = put.content_type("text/x-noise").metadata("colour", "blue");
        let put = put.checksum_algorithm(ChecksumAlgorithm::Sha256).send().await.unwrap();
        let head = self.s3.head_object().bucket(&self.bucket).key("object");
        let head = head.checksum_mode(ChecksumMode::Enabled).send().await.unwrap();
        assert_eq!((head.content_length(), head.e_tag()), (Some(data.len() as i64), put.e_tag()));
        assert_eq!(
            (head.content_type(), &*head.metadata().unwrap()["colour"]),
            (Some("text/x-noise"), "blue")
        );
        assert!(head.checksum_sha256().is_some());
        assert_eq!(head.checksum_sha256(), put.checksum_sha256());
        same(&self.get("object").await, &data);
        same(&self.get_range("object", "bytes=100-299").await.unwrap(), &data[100..300]);
        same(&self.get_range("object", "bytes=-7").await.unwrap(), &data[data.len() - 7..]);
        refused(self.get_range("object", "bytes=300000-").await, "InvalidRange", 416);

        let source = format!("{}/object", self.bucket);
        self.s3.copy_object().bucket(&self.bucket).key("copy").copy_source(source).send().await.unwrap();
        self.s3.wait_until_object_exists().bucket(&self.bucket).key("copy").wait(WAIT).await.unwrap();
        same(&self.get("copy").await, &data);
        self.delete("copy").await;
        self.s3.wait_until_object_not_exists().bucket(&self.bucket).key("copy").wait(WAIT).await.unwrap();
        println!("ok objects, metadata, ranges, copies #bytes #ranges");
    }

    async fn keys(&self) {
        let long = format!("{}/{}", "k".repeat(200), "é".repeat(350));
        let mut expected: Vec<_> =
            ODD_KEYS.iter().chain([&&*long]).map(|key| format!("odd/{key}")).collect();
        for (i, key) in expected.iter().enumerate() {
            self.put(key, noise(100 + i)).await;
        }
        for (i, key) in expected.iter().enumerate() {
            same(&self.get(key).await, &noise(100 + i));
        }
        let listed = self.s3.list_objects_v2().bucket(&self.bucket).prefix("odd/").send().await.unwrap();
        let listed: Vec<_> =
            listed.contents().iter().map(|object| object.key().unwrap().to_owned()).collect();
        expected.sort_unstable();
        assert_eq!(listed, expected);
        // The bucket is emptied by bulk deletions later.
        for key in &expected {
            self.delete(key).await;
        }
        let left = self.s3.list_objects_v2().bucket(&self.bucket).prefix("odd/").send().await.unwrap();
        assert_eq!(left.key_count(), Some(0));
        self.put("odd/", Vec::new()).await;
        println!("ok odd keys #odd-keys #deletion");
    }

    async fn multipart(&self) {
        let (bucket, key) = (&self.bucket, "by hand");
        let data = noise(11 * MIB);
        let upload = self.s3.create_multipart_upload().bucket(bucket).key(key);
        let upload =
            upload.checksum_algorithm(ChecksumAlgorithm::Crc64Nvme).checksum_type(ChecksumType::FullObject);
        let upload = upload.send().await.unwrap().upload_id.unwrap();
        // All at once, the last one from a file.
        let path = std::path::Path::new(&std::env::var("POCKET_SCRATCH").unwrap()).join("part");
        std::fs::write(&path, &data[10 * MIB..]).unwrap();
        let bodies = [
            data[..5 * MIB].to_vec().into(),
            data[5 * MIB..10 * MIB].to_vec().into(),
            ByteStream::from_path(&path).await.unwrap(),
        ];
        let parts = bodies.into_iter().zip(1..).map(|(body, number)| {
            let part = self.s3.upload_part().bucket(bucket).key(key).upload_id(&upload).part_number(number);
            let part = part.checksum_algorithm(ChecksumAlgorithm::Crc64Nvme).body(body).send();
            async move {
                let part = part.await.unwrap();
                let done = CompletedPart::builder().part_number(number).set_e_tag(part.e_tag);
                done.set_checksum_crc64_nvme(part.checksum_crc64_nvme).build()
            }
        });
        let parts = CompletedMultipartUpload::builder().set_parts(Some(join_all(parts).await)).build();
        let listed = self.s3.list_parts().bucket(bucket).key(key).upload_id(&upload).max_parts(2);
        let listed = listed.into_paginator().items().send().collect::<Result<Vec<_>, _>>().await.unwrap();
        assert_eq!(listed.len(), 3);
        let done = self.s3.complete_multipart_upload().bucket(bucket).key(key).upload_id(&upload);
        let done = done.checksum_type(ChecksumType::FullObject).if_none_match("*");
        let done = done.multipart_upload(parts).send().await.unwrap();
        assert!(done.checksum_crc64_nvme().is_some(), "{done:?}");
        assert_eq!(done.checksum_type(), Some(&ChecksumType::FullObject));
        same(&self.get(key).await, &data);
        let part = self.s3.get_object().bucket(bucket).key(key).part_number(3).send().await.unwrap();
        assert_eq!(part.parts_count(), Some(3));
        same(&part.body.collect().await.unwrap().to_vec(), &data[10 * MIB..]);
        let attributes = self.s3.get_object_attributes().bucket(bucket).key(key);
        let attributes = attributes.object_attributes(ObjectAttributes::ObjectSize);
        let attributes = attributes.object_attributes(ObjectAttributes::Checksum).send().await.unwrap();
        assert_eq!(attributes.object_size(), Some(data.len() as i64));
        assert_eq!(attributes.checksum().unwrap().checksum_crc64_nvme(), done.checksum_crc64_nvme());

        let aborted = self.s3.create_multipart_upload().bucket(bucket).key(key).send().await.unwrap();
        let aborted = aborted.upload_id().unwrap();
        self.s3.abort_multipart_upload().bucket(bucket).key(key).upload_id(aborted).send().await.unwrap();
        let listed = self.s3.list_parts().bucket(bucket).key(key).upload_id(aborted).send().await;
        refused(listed, "NoSuchUpload", 404);
        println!("ok multipart by hand, with the checksum of the whole #multipart");
    }

    async fn conditions(&self) {
        let write = |text: &'static str| {
            let put = self.s3.put_object().bucket(&self.bucket).key("conditional");
            put.body(ByteStream::from_static(text.as_bytes()))
        };
        let read = || self.s3.get_object().bucket(&self.bucket).key("conditional");
        let first = write("first").if_none_match("*").send().await.unwrap().e_tag.unwrap();
        refused(write("again").if_none_match("*").send().await, "PreconditionFailed", 412);
        let second = write("second").if_match(&first).send().await.unwrap().e_tag.unwrap();
        refused(write("third").if_match(&first).send().await, "PreconditionFailed", 412);
        refused(read().if_match(&first).send().await, "PreconditionFailed", 412);
        let same_still = read().if_none_match(&second).send().await.unwrap_err();
        assert_eq!(same_still.raw_response().unwrap().status().as_u16(), 304);
        let delete = self.s3.delete_object().bucket(&self.bucket).key("conditional").if_match(&first);
        refused(delete.send().await, "PreconditionFailed", 412);
        same(&self.get("conditional").await, b"second");

        // Of writers that race for a key that is not there exactly one wins.
        let racers = (0..WRITERS).map(|i| {
            let put = self.s3.put_object().bucket(&self.bucket).key("raced").if_none_match("*");
            put.body(vec![i as u8].into()).send()
        });
        assert_eq!(join_all(racers).await.iter().filter(|put| put.is_ok()).count(), 1);
        println!("ok conditional reads, writes and deletions #precondition");
    }

    async fn pages(&self) {
        let key = |i: usize| format!("many/{i:05}");
        let writers = (0..WRITERS).map(async |writer| {
            for i in (writer..LISTED_KEYS).step_by(WRITERS) {
                self.put(&key(i), vec![i as u8]).await;
            }
        });
        join_all(writers).await;
        let mut pages =
            self.s3.list_objects_v2().bucket(&self.bucket).prefix("many/").into_paginator().send();
        let (mut count, mut listed) = (0, Vec::new());
        while let Some(page) = pages.next().await {
            listed.extend(page.unwrap().contents().iter().map(|object| object.key().unwrap().to_owned()));
            count += 1;
        }
        assert_eq!(count, 2);
        assert_eq!(listed, (0..LISTED_KEYS).map(key).collect::<Vec<_>>());
        let folders = self.s3.list_objects_v2().bucket(&self.bucket).delimiter("/").send().await.unwrap();
        let folders: Vec<_> =
            folders.common_prefixes().iter().map(|folder| folder.prefix().unwrap()).collect();
        assert_eq!(folders, ["many/", "odd/"]);
        println!("ok paginators over {LISTED_KEYS} keys #list");
    }

    async fn presigned(&self) {
        let key = "presigned +%ü";
        let minute = || PresigningConfig::expires_in(Duration::from_secs(60)).unwrap();
        let put = self.s3.put_object().bucket(&self.bucket).key(key).presigned(minute()).await.unwrap();
        let get = self.s3.get_object().bucket(&self.bucket).key(key).presigned(minute()).await.unwrap();
        let delete = self.s3.delete_object().bucket(&self.bucket).key(key).presigned(minute()).await.unwrap();
        let data = noise(100_000);
        let agent = ureq::Agent::config_builder().http_status_as_error(false).build().new_agent();
        assert_eq!(agent.put(put.uri()).send(&data).unwrap().status(), 200);
        same(&agent.get(get.uri()).call().unwrap().body_mut().read_to_vec().unwrap(), &data);
        let changed = get.uri().replace("Expires=60", "Expires=61");
        assert_eq!(agent.get(&changed).call().unwrap().status(), 403);
        assert_eq!(agent.delete(delete.uri()).call().unwrap().status(), 204);
        let mut gone = agent.get(get.uri()).call().unwrap();
        assert_eq!(gone.status(), 404);
        assert!(gone.body_mut().read_to_string().unwrap().contains("<Code>NoSuchKey</Code>"));
        println!("ok presigned PUT, GET and DELETE");
    }

    async fn missing(&self) {
        let missing = self.s3.get_object().bucket(&self.bucket).key("missing").send().await.unwrap_err();
        assert!(missing.into_service_error().is_no_such_key());
        let missing = self.s3.head_object().bucket(&self.bucket).key("missing").send().await.unwrap_err();
        assert!(missing.into_service_error().is_not_found());
        self.delete("missing").await;
        let missing = self.s3.list_objects_v2().bucket(format!("{}-missing", self.bucket)).send().await;
        assert!(missing.unwrap_err().into_service_error().is_no_such_bucket());
        refused(self.s3.delete_bucket().bucket(&self.bucket).send().await, "BucketNotEmpty", 409);
        println!("ok missing keys and buckets, and a bucket that is not empty #missing");
    }

    async fn full(&self) {
        let data = noise(FILL_BYTES);
        let mut outcome = Ok(());
        for i in 0..FILL_OBJECTS {
            let put = self.s3.put_object().bucket(&self.bucket).key(i.to_string()).body(data.clone().into());
            outcome = outcome.and(put.send().await.map(|_| ()));
        }
        refused(outcome, "SlowDown", 503);
        same(&self.get("0").await, &data);
        self.delete("0").await;
        // The SDK's own retries outlast the moment until the space is back.
        self.put("0", data.clone()).await;
        same(&self.get("0").await, &data);
        println!("ok full is throttling, and passes #full");
    }

    async fn end(&self) {
        let mut pages = self.s3.list_objects_v2().bucket(&self.bucket).into_paginator().send();
        while let Some(page) = pages.next().await {
            let page = page.unwrap();
            let key = |object: &aws_sdk_s3::types::Object| {
                ObjectIdentifier::builder().key(object.key().unwrap()).build().unwrap()
            };
            let keys: Vec<_> = page.contents().iter().map(key).collect();
            if keys.is_empty() {
                continue;
            }
            let count = keys.len();
            let keys = Delete::builder().set_objects(Some(keys)).build().unwrap();
            let deleted = self.s3.delete_objects().bucket(&self.bucket).delete(keys).send().await.unwrap();
            assert_eq!((deleted.deleted().len(), deleted.errors().len()), (count, 0));
        }
        self.s3.delete_bucket().bucket(&self.bucket).send().await.unwrap();
        self.s3.wait_until_bucket_not_exists().bucket(&self.bucket).wait(WAIT).await.unwrap();
    }

    async fn put(&self, key: &str, data: Vec<u8>) {
        self.s3.put_object().bucket(&self.bucket).key(key).body(data.into()).send().await.unwrap();
    }

    async fn get(&self, key: &str) -> Vec<u8> {
        let got = self.s3.get_object().bucket(&self.bucket).key(key).send().await.unwrap();
        got.body.collect().await.unwrap().to_vec()
    }

    async fn get_range(
        &self,
        key: &str,
        range: &str,
    ) -> Result<Vec<u8>, SdkError<aws_sdk_s3::operation::get_object::GetObjectError>> {
        let got = self.s3.get_object().bucket(&self.bucket).key(key).range(range).send().await?;
        Ok(got.body.collect().await.unwrap().to_vec())
    }

    async fn delete(&self, key: &str) {
        self.s3.delete_object().bucket(&self.bucket).key(key).send().await.unwrap();
    }
}

/// An error of S3 with this code and status, after whatever retries the SDK makes.
fn refused<T: Debug, E: Debug + ProvideErrorMetadata>(
    outcome: Result<T, SdkError<E, HttpResponse>>,
    code: &str,
    status: u16,
) {
    let error = outcome.expect_err(code);
    assert_eq!(error.raw_response().map(|answer| answer.status().as_u16()), Some(status), "{error:?}");
    assert_eq!(error.code(), Some(code), "{error:?}");
}

fn noise(size: usize) -> Vec<u8> {
    let mut data = vec![0; size];
    StdRng::seed_from_u64(size as u64).fill_bytes(&mut data);
    data
}

#[track_caller]
fn same(got: &[u8], expected: &[u8]) {
    assert!(got == expected, "{} other bytes than the {} expected", got.len(), expected.len());
}
