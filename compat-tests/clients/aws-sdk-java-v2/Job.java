// The AWS SDK for Java v2 against Pocket: both clients, transfer manager, presigner, paginators, waiters, conditions.

import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.nio.ByteBuffer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.MessageDigest;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Base64;
import java.util.Comparator;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.UUID;
import java.util.concurrent.Callable;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionException;
import java.util.stream.IntStream;
import java.util.zip.CRC32;
import software.amazon.awssdk.core.ResponseBytes;
import software.amazon.awssdk.core.async.AsyncRequestBody;
import software.amazon.awssdk.core.async.AsyncResponseTransformer;
import software.amazon.awssdk.core.sync.RequestBody;
import software.amazon.awssdk.services.s3.S3AsyncClient;
import software.amazon.awssdk.services.s3.S3Client;
import software.amazon.awssdk.services.s3.S3Configuration;
import software.amazon.awssdk.services.s3.model.ChecksumAlgorithm;
import software.amazon.awssdk.services.s3.model.ChecksumMode;
import software.amazon.awssdk.services.s3.model.ChecksumType;
import software.amazon.awssdk.services.s3.model.CompletedPart;
import software.amazon.awssdk.services.s3.model.GetObjectResponse;
import software.amazon.awssdk.services.s3.model.NoSuchBucketException;
import software.amazon.awssdk.services.s3.model.NoSuchKeyException;
import software.amazon.awssdk.services.s3.model.ObjectAttributes;
import software.amazon.awssdk.services.s3.model.ObjectIdentifier;
import software.amazon.awssdk.services.s3.model.S3Exception;
import software.amazon.awssdk.services.s3.model.S3Object;
import software.amazon.awssdk.services.s3.presigner.S3Presigner;
import software.amazon.awssdk.transfer.s3.S3TransferManager;

class Job {
    static final int MIB = 1 << 20;
    // More than one page of a list.
    static final int LISTED_KEYS = 1_005;
    static final int WRITERS = 8;
    // The server for "full" holds 32 MiB; each object fits it, all together do not.
    static final int FILL_BYTES = 8 * MIB;
    static final int FILL_OBJECTS = 8;
    // What XML cannot say is listed by encoding-type=url alone, which the SDK sends for nobody.
    static final List<String> ODD_KEYS = List.of(
        "a", "a/b", "dir/", "//x", "two  spaces", "plus+and%20percent%", "?query&amp;=#", "ümläut-ß-日本", "dots/../.",
        "<xml>'\"", "back\\slash", "k".repeat(200) + "/" + "é".repeat(350), "tab\tline\nbreak\r", "./a",
        "a/../b");

    final URI endpoint;
    final S3Client s3;
    final S3AsyncClient async;
    final String bucket = "java-" + UUID.randomUUID().toString().substring(0, 13);

    Job(String variable) {
        String address = System.getenv(variable);
        endpoint = URI.create(address);
        S3Client s3 = S3Client.builder()
            .endpointOverride(URI.create(address))
            .forcePathStyle(true)
            .build();
        this.s3 = s3;
        async = S3AsyncClient.builder()
            .endpointOverride(endpoint).forcePathStyle(true).multipartEnabled(true).build();
        s3.createBucket(r -> r.bucket(bucket));
        s3.waiter().waitUntilBucketExists(r -> r.bucket(bucket));
    }

    public static void main(String[] arguments) throws Exception {
        Job job = new Job("POCKET_ENDPOINT");
        job.objects();
        job.checksums();
        job.keys();
        job.multipart();
        job.asynchronous();
        job.transfers();
        job.conditions();
        job.pages();
        job.presigned();
        job.missing();
        job.end();
        ok("waiters, bulk deletion and removal");
        Job small = new Job("POCKET_SMALL_ENDPOINT");
        small.full();
        small.end();
    }

    void objects() {
        byte[] data = noise(300_000);
        var put = s3.putObject(r -> r.bucket(bucket).key("object").contentType("text/x-noise")
            .metadata(Map.of("colour", "blue")).checksumAlgorithm(ChecksumAlgorithm.SHA256), RequestBody.fromBytes(data));
        var head = s3.headObject(r -> r.bucket(bucket).key("object").checksumMode(ChecksumMode.ENABLED));
        check(head.contentLength() == data.length && head.eTag().equals(put.eTag()), head);
        check(head.contentType().equals("text/x-noise") && head.metadata().equals(Map.of("colour", "blue")), head);
        check(head.checksumSHA256().equals(put.checksumSHA256()), head);
        same(get("object"), data);
        same(get("object", "bytes=100-299"), Arrays.copyOfRange(data, 100, 300));
        same(get("object", "bytes=-7"), Arrays.copyOfRange(data, data.length - 7, data.length));
        refused("InvalidRange", 416, () -> get("object", "bytes=300000-"));

        s3.copyObject(r -> r.sourceBucket(bucket).sourceKey("object").destinationBucket(bucket).destinationKey("copy"));
        s3.waiter().waitUntilObjectExists(r -> r.bucket(bucket).key("copy"));
        same(get("copy"), data);
        s3.deleteObject(r -> r.bucket(bucket).key("copy"));
        s3.waiter().waitUntilObjectNotExists(r -> r.bucket(bucket).key("copy"));
        ok("objects, metadata, ranges, copies #bytes #ranges");
    }

    // Of a checksum that the caller gives, the SDK announces a trailer over plain HTTP, and sends the sum in a header.
    void checksums() throws Exception {
        byte[] data = noise(100_000);
        String sha256 = sha256(data), other = sha256(noise(1));
        CRC32 crc = new CRC32();
        crc.update(data);
        String crc32 = Base64.getEncoder().encodeToString(ByteBuffer.allocate(4).putInt((int) crc.getValue()).array());
        Path file = Files.write(Path.of(System.getenv("POCKET_SCRATCH"), "given"), data);
        for (var body : List.of(RequestBody.fromBytes(data), RequestBody.fromFile(file))) {
            var put = s3.putObject(r -> r.bucket(bucket).key("given").checksumSHA256(sha256), body);
            check(put.checksumSHA256().equals(sha256), put);
            same(get("given"), data);
            put = s3.putObject(r -> r.bucket(bucket).key("given").checksumAlgorithm(ChecksumAlgorithm.CRC32).checksumCRC32(crc32), body);
            check(put.checksumCRC32().equals(crc32), put);
            var head = s3.headObject(r -> r.bucket(bucket).key("given").checksumMode(ChecksumMode.ENABLED));
            check(head.checksumCRC32().equals(crc32), head);
            refused("BadDigest", 400, () -> s3.putObject(r -> r.bucket(bucket).key("bent").checksumSHA256(other), body));
        }
        async.putObject(r -> r.bucket(bucket).key("given").checksumSHA256(sha256), AsyncRequestBody.fromFile(file)).join();
        same(get("given"), data);
        String upload = s3.createMultipartUpload(r -> r.bucket(bucket).key("in parts").checksumAlgorithm(ChecksumAlgorithm.SHA256))
            .uploadId();
        refused("BadDigest", 400, () -> s3.uploadPart(r -> r.bucket(bucket).key("in parts").uploadId(upload).partNumber(1)
            .checksumSHA256(other), RequestBody.fromBytes(data)));
        var part = s3.uploadPart(r -> r.bucket(bucket).key("in parts").uploadId(upload).partNumber(1).checksumSHA256(sha256),
            RequestBody.fromBytes(data));
        check(part.checksumSHA256().equals(sha256), part);
        s3.completeMultipartUpload(r -> r.bucket(bucket).key("in parts").uploadId(upload)
            .multipartUpload(m -> m.parts(p -> p.partNumber(1).eTag(part.eTag()).checksumSHA256(sha256))));
        same(get("in parts"), data);
        raises(NoSuchKeyException.class, () -> s3.headObject(r -> r.bucket(bucket).key("bent")));
        for (String key : List.of("given", "in parts")) {
            s3.deleteObject(r -> r.bucket(bucket).key(key));
        }
        ok("checksums that the caller gives");
    }

    static String sha256(byte[] data) throws Exception {
        return Base64.getEncoder().encodeToString(MessageDigest.getInstance("SHA-256").digest(data));
    }

    void keys() {
        for (int i = 0; i < ODD_KEYS.size(); i++) {
            put("odd/" + ODD_KEYS.get(i), noise(100 + i));
        }
        for (int i = 0; i < ODD_KEYS.size(); i++) {
            same(get("odd/" + ODD_KEYS.get(i)), noise(100 + i));
        }
        var listed = s3.listObjectsV2(r -> r.bucket(bucket).prefix("odd/")).contents().stream().map(S3Object::key).toList();
        check(listed.equals(ODD_KEYS.stream().map(key -> "odd/" + key).sorted(Comparator.naturalOrder()).toList()), listed);
        // The bucket is emptied by bulk deletions later.
        listed.forEach(key -> s3.deleteObject(r -> r.bucket(bucket).key(key)));
        check(s3.listObjectsV2(r -> r.bucket(bucket).prefix("odd/")).keyCount() == 0);
        put("odd/", new byte[0]);
        ok("odd keys #odd-keys #deletion");
    }

    void multipart() {
        byte[] data = noise(11 * MIB);
        String upload = s3.createMultipartUpload(r -> r.bucket(bucket).key("by hand")
            .checksumAlgorithm(ChecksumAlgorithm.CRC32).checksumType(ChecksumType.FULL_OBJECT)).uploadId();
        List<CompletedPart> parts = new ArrayList<>();
        for (int number = 1, from = 0; from < data.length; number++, from += 5 * MIB) {
            int at = number;
            byte[] piece = Arrays.copyOfRange(data, from, Math.min(from + 5 * MIB, data.length));
            var part = s3.uploadPart(r -> r.bucket(bucket).key("by hand").uploadId(upload).partNumber(at)
                .checksumAlgorithm(ChecksumAlgorithm.CRC32), RequestBody.fromBytes(piece));
            parts.add(CompletedPart.builder().partNumber(at).eTag(part.eTag()).checksumCRC32(part.checksumCRC32()).build());
        }
        long listed = s3.listPartsPaginator(r -> r.bucket(bucket).key("by hand").uploadId(upload).maxParts(2))
            .parts().stream().count();
        check(listed == 3, listed);
        var done = s3.completeMultipartUpload(r -> r.bucket(bucket).key("by hand").uploadId(upload).ifNoneMatch("*")
            .checksumType(ChecksumType.FULL_OBJECT).multipartUpload(m -> m.parts(parts)));
        check(done.checksumCRC32() != null && done.checksumType() == ChecksumType.FULL_OBJECT, done);
        same(get("by hand"), data);
        var part = s3.getObjectAsBytes(r -> r.bucket(bucket).key("by hand").partNumber(3));
        check(part.response().partsCount() == 3, part.response());
        same(part.asByteArray(), Arrays.copyOfRange(data, 10 * MIB, 11 * MIB));
        var attributes = s3.getObjectAttributes(r -> r.bucket(bucket).key("by hand")
            .objectAttributes(ObjectAttributes.OBJECT_SIZE, ObjectAttributes.CHECKSUM, ObjectAttributes.OBJECT_PARTS));
        check(attributes.objectSize() == data.length && attributes.objectParts().totalPartsCount() == 3, attributes);

        String aborted = s3.createMultipartUpload(r -> r.bucket(bucket).key("given up")).uploadId();
        s3.abortMultipartUpload(r -> r.bucket(bucket).key("given up").uploadId(aborted));
        refused("NoSuchUpload", 404, () -> s3.listParts(r -> r.bucket(bucket).key("given up").uploadId(aborted)));
        ok("multipart by hand, with the checksum of the whole #multipart");
    }

    void asynchronous() throws Exception {
        byte[] data = noise(21 * MIB + 13);
        async.putObject(r -> r.bucket(bucket).key("async"), AsyncRequestBody.fromBytes(data)).join();
        check(s3.headObject(r -> r.bucket(bucket).key("async").partNumber(1)).partsCount() == 3);
        ResponseBytes<GetObjectResponse> got =
            async.getObject(r -> r.bucket(bucket).key("async"), AsyncResponseTransformer.toBytes()).join();
        same(got.asByteArray(), data);
        // A stream of unknown length.
        var body = AsyncRequestBody.forBlockingOutputStream(null);
        var upload = async.putObject(r -> r.bucket(bucket).key("streamed"), body);
        try (var stream = body.outputStream()) {
            for (int from = 0; from < data.length; from += MIB - 1) {
                stream.write(data, from, Math.min(MIB - 1, data.length - from));
            }
        }
        upload.join();
        same(get("streamed"), data);
        async.copyObject(r -> r.sourceBucket(bucket).sourceKey("async").destinationBucket(bucket).destinationKey("copied"))
            .join();
        same(get("copied"), data);
        ok("the asynchronous client: in parts, from streams, copies in parts");
    }

    void transfers() throws Exception {
        Path folder = Path.of(System.getenv("POCKET_SCRATCH"));
        Path source = Files.createDirectories(folder.resolve("in"));
        byte[] data = noise(17 * MIB + 1);
        Files.write(source.resolve("large"), data);
        Files.write(Files.createDirectories(source.resolve("dir")).resolve("ü a+b"), noise(99));
        try (S3TransferManager transfers = S3TransferManager.builder().s3Client(async).build()) {
            var up = transfers.uploadDirectory(r -> r.bucket(bucket).s3Prefix("tree").source(source)).completionFuture().join();
            check(up.failedTransfers().isEmpty(), up);
            var down = transfers.downloadDirectory(r -> r.bucket(bucket).destination(folder.resolve("out"))
                .listObjectsV2RequestTransformer(l -> l.prefix("tree/"))).completionFuture().join();
            check(down.failedTransfers().isEmpty(), down);
            same(Files.readAllBytes(folder.resolve("out/large")), data);
            same(Files.readAllBytes(folder.resolve("out/dir/ü a+b")), noise(99));
            Path one = folder.resolve("one");
            transfers.downloadFile(r -> r.getObjectRequest(g -> g.bucket(bucket).key("tree/large")).destination(one))
                .completionFuture().join();
            same(Files.readAllBytes(one), data);
        }
        ok("the transfer manager: directories and files");
    }

    void conditions() {
        String first = write("first", null, "*");
        refused("PreconditionFailed", 412, () -> write("again", null, "*"));
        String second = write("second", first, null);
        refused("PreconditionFailed", 412, () -> write("third", first, null));
        refused("PreconditionFailed", 412,
            () -> s3.getObjectAsBytes(r -> r.bucket(bucket).key("conditional").ifMatch(first)));
        refused(null, 304, () -> s3.getObjectAsBytes(r -> r.bucket(bucket).key("conditional").ifNoneMatch(second)));
        refused("PreconditionFailed", 412, () -> s3.deleteObject(r -> r.bucket(bucket).key("conditional").ifMatch(first)));
        same(get("conditional"), "second".getBytes());

        // Of writers that race for a key that is not there exactly one wins.
        var racers = IntStream.range(0, WRITERS).mapToObj(i -> async.putObject(
            r -> r.bucket(bucket).key("raced").ifNoneMatch("*"), AsyncRequestBody.fromString("" + i)).handle((done, e) -> e == null));
        long won = racers.toList().stream().filter(CompletableFuture::join).count();
        check(won == 1, won);
        ok("conditional reads, writes and deletions #precondition");
    }

    void pages() {
        var puts = IntStream.range(0, LISTED_KEYS).parallel();
        puts.forEach(i -> put(String.format("many/%05d", i), new byte[] {(byte) i}));
        var pages = s3.listObjectsV2Paginator(r -> r.bucket(bucket).prefix("many/"));
        check(pages.stream().count() == 2);
        var listed = pages.contents().stream().map(S3Object::key).toList();
        check(listed.equals(IntStream.range(0, LISTED_KEYS).mapToObj(i -> String.format("many/%05d", i)).toList()), listed.size());
        var folders = s3.listObjectsV2(r -> r.bucket(bucket).delimiter("/")).commonPrefixes();
        check(folders.stream().map(p -> p.prefix()).toList().equals(List.of("many/", "odd/", "tree/")), folders);
        ok("paginators over " + LISTED_KEYS + " keys #list");
    }

    void presigned() throws Exception {
        byte[] data = noise(100_000);
        String key = "presigned +%ü";
        try (S3Presigner presigner = S3Presigner.builder().endpointOverride(endpoint)
                .serviceConfiguration(S3Configuration.builder().pathStyleAccessEnabled(true).build()).build()) {
            var minute = Duration.ofMinutes(1);
            var put = presigner.presignPutObject(r -> r.signatureDuration(minute).putObjectRequest(p -> p.bucket(bucket).key(key)));
            check(call("PUT", put.url().toURI(), data).statusCode() == 200);
            var get = presigner.presignGetObject(r -> r.signatureDuration(minute)
                .getObjectRequest(g -> g.bucket(bucket).key(key).responseContentType("text/other")));
            var down = call("GET", get.url().toURI(), null);
            check(down.statusCode() == 200 && down.headers().firstValue("content-type").get().equals("text/other"), down);
            same(down.body(), data);
            var changed = URI.create(get.url().toString().replace("text%2Fother", "text%2Fwrong"));
            check(call("GET", changed, null).statusCode() == 403);
            var delete = presigner.presignDeleteObject(r -> r.signatureDuration(minute)
                .deleteObjectRequest(d -> d.bucket(bucket).key(key)));
            check(call("DELETE", delete.url().toURI(), null).statusCode() == 204);
            var gone = call("GET", get.url().toURI(), null);
            check(gone.statusCode() == 404 && new String(gone.body()).contains("<Code>NoSuchKey</Code>"));
        }
        ok("presigned PUT, GET and DELETE");
    }

    void missing() {
        raises(NoSuchKeyException.class, () -> get("missing"));
        raises(NoSuchKeyException.class, () -> s3.headObject(r -> r.bucket(bucket).key("missing")));
        s3.deleteObject(r -> r.bucket(bucket).key("missing"));
        raises(NoSuchBucketException.class, () -> s3.listObjectsV2(r -> r.bucket(bucket + "-missing")));
        refused("BucketNotEmpty", 409, () -> s3.deleteBucket(r -> r.bucket(bucket)));
        ok("missing keys and buckets, and a bucket that is not empty #missing");
    }

    void full() {
        byte[] data = noise(FILL_BYTES);
        refused("SlowDown", 503, () -> {
            for (int i = 0; i < FILL_OBJECTS; i++) {
                put("" + i, data);
            }
            return null;
        });
        same(get("0"), data);
        s3.deleteObject(r -> r.bucket(bucket).key("0"));
        // The SDK's own retries outlast the moment until the space is back.
        put("0", data);
        same(get("0"), data);
        ok("full is throttling, and passes #full");
    }

    void end() {
        for (var page : s3.listObjectsV2Paginator(r -> r.bucket(bucket))) {
            var keys = page.contents().stream().map(o -> ObjectIdentifier.builder().key(o.key()).build()).toList();
            if (!keys.isEmpty()) {
                var deleted = s3.deleteObjects(r -> r.bucket(bucket).delete(d -> d.objects(keys)));
                check(deleted.errors().isEmpty() && deleted.deleted().size() == keys.size(), deleted);
            }
        }
        s3.deleteBucket(r -> r.bucket(bucket));
        s3.waiter().waitUntilBucketNotExists(r -> r.bucket(bucket));
        s3.close();
        async.close();
    }

    String write(String text, String ifMatch, String ifNoneMatch) {
        return s3.putObject(r -> r.bucket(bucket).key("conditional").ifMatch(ifMatch).ifNoneMatch(ifNoneMatch),
            RequestBody.fromString(text)).eTag();
    }

    void put(String key, byte[] data) {
        s3.putObject(r -> r.bucket(bucket).key(key), RequestBody.fromBytes(data));
    }

    byte[] get(String key) {
        return get(key, null);
    }

    byte[] get(String key, String range) {
        return s3.getObjectAsBytes(r -> r.bucket(bucket).key(key).range(range)).asByteArray();
    }

    static HttpResponse<byte[]> call(String method, URI url, byte[] body) throws Exception {
        var sent = body == null ? HttpRequest.BodyPublishers.noBody() : HttpRequest.BodyPublishers.ofByteArray(body);
        var request = HttpRequest.newBuilder(url).method(method, sent).build();
        return HttpClient.newHttpClient().send(request, HttpResponse.BodyHandlers.ofByteArray());
    }

    static byte[] noise(int size) {
        byte[] data = new byte[size];
        new Random(size).nextBytes(data);
        return data;
    }

    // An error of S3 with this code and status, after whatever retries the SDK makes.
    static void refused(String code, int status, Callable<?> call) {
        S3Exception error = raises(S3Exception.class, call);
        check(error.statusCode() == status, error);
        check(code == null || error.awsErrorDetails().errorCode().equals(code), error);
    }

    static <E extends Exception> E raises(Class<E> expected, Callable<?> call) {
        try {
            call.call();
        } catch (Exception e) {
            Throwable cause = e instanceof CompletionException ? e.getCause() : e;
            if (expected.isInstance(cause)) {
                return expected.cast(cause);
            }
            throw new AssertionError("expected " + expected, e);
        }
        throw new AssertionError("was taken instead of refused with " + expected);
    }

    static void same(byte[] got, byte[] expected) {
        int from = Arrays.mismatch(got, expected);
        check(from < 0, got.length + " bytes instead of " + expected.length + ", different from " + from + " on");
    }

    static void check(boolean holds, Object... shown) {
        if (!holds) {
            throw new AssertionError(Arrays.toString(shown));
        }
    }

    static void ok(String what) {
        System.out.println("ok " + what);
    }
}
