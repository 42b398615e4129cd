// The AWS SDK for JavaScript v3 against Pocket: client, lib-storage, presigner, paginators, waiters, conditions.

import assert from "node:assert/strict";
import { createHash, randomBytes } from "node:crypto";
import { Readable } from "node:stream";
import {
  AbortMultipartUploadCommand, CopyObjectCommand, CreateBucketCommand, CreateMultipartUploadCommand, DeleteBucketCommand,
  DeleteObjectCommand, DeleteObjectsCommand, GetObjectAttributesCommand, GetObjectCommand, HeadObjectCommand,
  ListObjectsV2Command, ListPartsCommand, NoSuchBucket, NoSuchKey, NotFound, PutObjectCommand, S3Client, UploadPartCommand,
  CompleteMultipartUploadCommand, paginateListObjectsV2, waitUntilBucketExists, waitUntilBucketNotExists,
  waitUntilObjectExists, waitUntilObjectNotExists,
} from "@aws-sdk/client-s3";
import { Upload } from "@aws-sdk/lib-storage";
import { getSignedUrl } from "@aws-sdk/s3-request-presigner";

const MIB = 1 << 20;
// More than one page of a list.
const LISTED_KEYS = 1_005;
const WRITERS = 8;
// The server for "full" holds 32 MiB; each object fits it, all together do not.
const FILL_BYTES = 8 * MIB;
const FILL_OBJECTS = 8;
const WAIT = { maxWaitTime: 10, minDelay: 1, maxDelay: 1 };
// What XML cannot say is listed by encoding-type=url alone, which the SDK sends for nobody.
const ODD_KEYS = [
  "a", "a/b", "dir/", "//x", "two  spaces", "plus+and%20percent%", "?query&amp;=#", "ümläut-ß-日本", "<xml>'\"", "dots/../.",
  `${"k".repeat(200)}/${"é".repeat(350)}`, "tab\tline\nbreak\r", "./a", "a/../b",
];
// What each step shows of what every client has.
const SHOWN = {
  objects: "#bytes #ranges", keys: "#odd-keys #deletion", uploads: "#multipart", conditions: "#precondition", pages: "#list",
  missing: "#missing",
};

const client = connect(process.env.POCKET_ENDPOINT);
const Bucket = await newBucket(client);
for (const step of [
  objects, keys, uploads, streams, multipart, conditions, pages, presigned, missing,
]) {
  await step();
  console.log("ok", step.name, SHOWN[step.name] ?? "");
}
await removeBucket(client, Bucket);
console.log("ok waiters and removal");
await full(connect(process.env.POCKET_SMALL_ENDPOINT));
console.log("ok full is throttling, and passes #full");

function connect(address) {
  const client = new S3Client({ endpoint: address, forcePathStyle: true });
  return client;
}

async function newBucket(client) {
  const Bucket = `js-${randomBytes(8).toString("hex")}`;
  await client.send(new CreateBucketCommand({ Bucket }));
  await waitUntilBucketExists({ client, ...WAIT }, { Bucket });
  return Bucket;
}

async function removeBucket(client, Bucket) {
  for await (const page of paginateListObjectsV2({ client }, { Bucket })) {
    const Objects = (page.Contents ?? []).map(({ Key }) => ({ Key }));
    if (Objects.length === 0) continue;
    const answer = await client.send(new DeleteObjectsCommand({ Bucket, Delete: { Objects } }));
    assert.equal(answer.Errors, undefined);
    assert.equal(answer.Deleted.length, Objects.length);
  }
  await client.send(new DeleteBucketCommand({ Bucket }));
  await waitUntilBucketNotExists({ client, ...WAIT }, { Bucket });
}

async function objects() {
  const Key = "object", Body = noise(300_000);
  const put = await client.send(new PutObjectCommand({
    Bucket, Key, Body, ContentType: "text/x-noise", Metadata: { colour: "blue" }, ChecksumAlgorithm: "SHA256",
  }));
  const head = await client.send(new HeadObjectCommand({ Bucket, Key, ChecksumMode: "ENABLED" }));
  assert.deepEqual(
    [head.ContentLength, head.ETag, head.ContentType, head.Metadata, head.ChecksumSHA256],
    [Body.length, put.ETag, "text/x-noise", { colour: "blue" }, createHash("sha256").update(Body).digest("base64")],
  );
  same(await get(Key), Body);
  same(await get(Key, { Range: "bytes=100-299" }), Body.subarray(100, 300));
  same(await get(Key, { Range: "bytes=-7" }), Body.subarray(-7));
  await expect(get(Key, { Range: "bytes=300000-" }), "InvalidRange", 416);

  await client.send(new CopyObjectCommand({ Bucket, Key: "copy", CopySource: `${Bucket}/${Key}` }));
  await waitUntilObjectExists({ client, ...WAIT }, { Bucket, Key: "copy" });
  same(await get("copy"), Body);
  await client.send(new DeleteObjectCommand({ Bucket, Key: "copy" }));
  await waitUntilObjectNotExists({ client, ...WAIT }, { Bucket, Key: "copy" });
}

async function keys() {
  for (const [i, key] of ODD_KEYS.entries()) {
    const Body = noise(100 + i);
    await client.send(new PutObjectCommand({ Bucket, Key: `odd/${key}`, Body }));
    same(await get(`odd/${key}`), Body);
  }
  const { Contents } = await client.send(new ListObjectsV2Command({ Bucket, Prefix: "odd/" }));
  const expected = ODD_KEYS.map((key) => Buffer.from(`odd/${key}`)).sort(Buffer.compare).map(String);
  assert.deepEqual(Contents.map(({ Key }) => Key), expected);
  // The bucket is emptied by bulk deletions later.
  for (const Key of expected) await client.send(new DeleteObjectCommand({ Bucket, Key }));
  const left = await client.send(new ListObjectsV2Command({ Bucket, Prefix: "odd/" }));
  assert.equal(left.KeyCount, 0);
  await client.send(new PutObjectCommand({ Bucket, Key: "odd/", Body: "" }));
}

async function uploads() {
  const Key = "uploaded", Body = noise(21 * MIB + 13);
  await new Upload({ client, params: { Bucket, Key, Body } }).done();
  same(await get(Key), Body);
  const part = await client.send(new GetObjectCommand({ Bucket, Key, PartNumber: 5 }));
  assert.equal(part.PartsCount, 5);
  same(await part.Body.transformToByteArray(), Body.subarray(20 * MIB));
  const attributes = await client.send(new GetObjectAttributesCommand({
    Bucket, Key, ObjectAttributes: ["ObjectSize", "Checksum", "ObjectParts"],
  }));
  assert.equal(attributes.ObjectSize, Body.length);
  assert.ok(attributes.Checksum.ChecksumCRC32);
}

async function streams() {
  // Of unknown length, and the pieces are not those of the upload.
  const pieces = Array.from({ length: 13 }, () => randomBytes(MIB - 1));
  await new Upload({ client, params: { Bucket, Key: "streamed", Body: Readable.from(pieces) } }).done();
  same(await get("streamed"), Buffer.concat(pieces));
}

async function multipart() {
  const Key = "by hand", Body = noise(11 * MIB);
  const ChecksumType = "FULL_OBJECT", ChecksumAlgorithm = "CRC32";
  const { UploadId } = await client.send(new CreateMultipartUploadCommand({ Bucket, Key, ChecksumType, ChecksumAlgorithm }));
  const Parts = [];
  for (const [i, piece] of [Body.subarray(0, 5 * MIB), Body.subarray(5 * MIB, 10 * MIB), Body.subarray(10 * MIB)].entries()) {
    const PartNumber = i + 1;
    const { ETag, ChecksumCRC32 } = await client.send(new UploadPartCommand({
      Bucket, Key, UploadId, PartNumber, Body: piece, ChecksumAlgorithm,
    }));
    Parts.push({ PartNumber, ETag, ChecksumCRC32 });
  }
  const listed = await client.send(new ListPartsCommand({ Bucket, Key, UploadId, MaxParts: 2 }));
  assert.deepEqual([listed.Parts.length, listed.IsTruncated], [2, true]);
  const done = await client.send(new CompleteMultipartUploadCommand({
    Bucket, Key, UploadId, ChecksumType, MultipartUpload: { Parts }, IfNoneMatch: "*",
  }));
  assert.equal(done.ChecksumType, "FULL_OBJECT");
  same(await get(Key), Body);

  const aborted = await client.send(new CreateMultipartUploadCommand({ Bucket, Key }));
  await client.send(new AbortMultipartUploadCommand({ Bucket, Key, UploadId: aborted.UploadId }));
  await expect(client.send(new ListPartsCommand({ Bucket, Key, UploadId: aborted.UploadId })), "NoSuchUpload", 404);
}

async function conditions() {
  const Key = "conditional";
  const write = (Body, when) => client.send(new PutObjectCommand({ Bucket, Key, Body, ...when }));
  const first = await write("first", { IfNoneMatch: "*" });
  await expect(write("again", { IfNoneMatch: "*" }), "PreconditionFailed", 412);
  const second = await write("second", { IfMatch: first.ETag });
  await expect(write("third", { IfMatch: first.ETag }), "PreconditionFailed", 412);
  await expect(get(Key, { IfNoneMatch: second.ETag }), "NotModified", 304);
  await expect(get(Key, { IfMatch: first.ETag }), "PreconditionFailed", 412);
  await expect(client.send(new DeleteObjectCommand({ Bucket, Key, IfMatch: first.ETag })), "PreconditionFailed", 412);
  same(await get(Key), Buffer.from("second"));

  // Of writers that race for a key that is not there exactly one wins.
  const race = (i) => client.send(new PutObjectCommand({ Bucket, Key: "raced", Body: `${i}`, IfNoneMatch: "*" }));
  const outcomes = await Promise.allSettled(Array.from({ length: WRITERS }, (_, i) => race(i)));
  assert.equal(outcomes.filter(({ status }) => status === "fulfilled").length, 1);
}

async function pages() {
  let next = 0;
  const writer = async () => {
    while (next < LISTED_KEYS) {
      const i = next++;
      await client.send(new PutObjectCommand({ Bucket, Key: `many/${String(i).padStart(5, "0")}`, Body: `${i}` }));
    }
  };
  await Promise.all(Array.from({ length: WRITERS }, writer));
  const listed = [], sizes = [];
  for await (const page of paginateListObjectsV2({ client }, { Bucket, Prefix: "many/" })) {
    sizes.push(page.KeyCount);
    listed.push(...page.Contents.map(({ Key }) => Key));
  }
  assert.deepEqual(sizes, [1_000, LISTED_KEYS - 1_000]);
  assert.deepEqual(listed, Array.from({ length: LISTED_KEYS }, (_, i) => `many/${String(i).padStart(5, "0")}`));
  const folders = await client.send(new ListObjectsV2Command({ Bucket, Delimiter: "/" }));
  assert.deepEqual(folders.CommonPrefixes, [{ Prefix: "many/" }, { Prefix: "odd/" }]);
}

async function presigned() {
  const Key = "presigned +%ü", data = noise(100_000);
  const url = (command) => getSignedUrl(client, command, { expiresIn: 60 });
  const call = (method, url, body) => fetch(url, { method, body });
  const up = await call("PUT", await url(new PutObjectCommand({ Bucket, Key, Metadata: { colour: "blue" } })), data);
  assert.equal(up.status, 200, await up.text());
  const getUrl = await url(new GetObjectCommand({ Bucket, Key, ResponseContentType: "text/other" }));
  const down = await call("GET", getUrl);
  assert.deepEqual([down.status, down.headers.get("content-type"), down.headers.get("x-amz-meta-colour")], [200, "text/other", "blue"]);
  same(Buffer.from(await down.arrayBuffer()), data);
  assert.equal((await call("GET", getUrl.replace("text%2Fother", "text%2Fwrong"))).status, 403);
  assert.equal((await call("HEAD", await url(new HeadObjectCommand({ Bucket, Key })))).status, 200);
  assert.equal((await call("DELETE", await url(new DeleteObjectCommand({ Bucket, Key })))).status, 204);
  const gone = await call("GET", getUrl);
  assert.equal(gone.status, 404);
  assert.match(await gone.text(), /<Code>NoSuchKey</);
}

async function missing() {
  const Key = "missing";
  await assert.rejects(get(Key), NoSuchKey);
  await assert.rejects(client.send(new HeadObjectCommand({ Bucket, Key })), NotFound);
  await client.send(new DeleteObjectCommand({ Bucket, Key }));
  await assert.rejects(client.send(new ListObjectsV2Command({ Bucket: `${Bucket}-missing` })), NoSuchBucket);
  await expect(client.send(new DeleteBucketCommand({ Bucket })), "BucketNotEmpty", 409);
}

async function full(client) {
  const Bucket = await newBucket(client);
  const Body = noise(FILL_BYTES);
  const fill = async () => {
    for (let i = 0; i < FILL_OBJECTS; i++) await client.send(new PutObjectCommand({ Bucket, Key: `${i}`, Body }));
  };
  try {
    const error = await expect(fill(), "SlowDown", 503);
    assert.ok(error.$retryable?.throttling ?? error.$metadata.attempts > 1, "the SDK takes it for throttling");
    const first = await client.send(new GetObjectCommand({ Bucket, Key: "0" }));
    same(await first.Body.transformToByteArray(), Body);
    await client.send(new DeleteObjectCommand({ Bucket, Key: "0" }));
    // The SDK's own retries outlast the moment until the space is back.
    await client.send(new PutObjectCommand({ Bucket, Key: "0", Body }));
  } finally {
    await removeBucket(client, Bucket);
  }
}

async function get(Key, more = {}) {
  const { Body } = await client.send(new GetObjectCommand({ Bucket, Key, ...more }));
  return Body.transformToByteArray();
}

// The promise fails with this code and status, after whatever retries the SDK makes.
async function expect(promise, code, status) {
  const error = await promise.then(() => assert.fail(`expected ${code}`), (error) => error);
  const { name, message, $metadata } = error;
  const shown = $metadata?.httpStatusCode === 304 ? "NotModified" : name;
  assert.deepEqual([shown, $metadata?.httpStatusCode], [code, status], `${name}: ${message}`);
  return error;
}

function noise(size) {
  return randomBytes(size);
}

function same(got, expected) {
  assert.ok(Buffer.compare(got, expected) === 0, `${got.length} other bytes than the ${expected.length} expected`);
}
