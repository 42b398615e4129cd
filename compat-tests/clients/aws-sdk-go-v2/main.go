// The AWS SDK for Go v2 against Pocket: client, both transfer managers, presigner, paginators, waiters, conditions.
package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"math/rand/v2"
	"net/http"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/feature/s3/manager"
	"github.com/aws/aws-sdk-go-v2/feature/s3/transfermanager"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/aws/smithy-go"
)

const (
	mib = 1 << 20
	// More than one page of a list.
	listedKeys = 1_005
	// The server for "full" holds 32 MiB; each object fits it, all together do not.
	fillBytes   = 8 * mib
	fillObjects = 8
)

var (
	ctx = context.Background()
	// What XML cannot say is listed by encoding-type=url alone, which the SDK sends for nobody.
	oddKeys = []string{
		"a", "a/b", "dir/", "//x", "two  spaces", "plus+and%20percent%", "?query&amp;=#", "ümläut-ß-日本", "dots/../.", "<xml>'\"",
		strings.Repeat("k", 200) + "/" + strings.Repeat("é", 350), "tab\tline\nbreak\r", "./a", "a/../b",
	}
)

func main() {
	log.SetFlags(0)
	client := newClient(os.Getenv("POCKET_ENDPOINT"))
	bucket := newBucket(client)
	for _, step := range []struct {
		name string
		run  func(*s3.Client, string)
	}{
		{"objects, metadata, ranges #bytes #ranges", objects},
		{"keys of every kind #odd-keys #deletion", keys},
		{"upload and download managers #multipart", managers},
		{"transfer manager", transfers},
		{"multipart by hand, with sums of the whole", multipart},
		{"conditional reads and writes #precondition", conditions},
		{"paginators over more than 1,000 keys #list", pages},
		{"presigned requests", presigned},
		{"missing things #missing", missing},
	} {
		step.run(client, bucket)
		fmt.Println("ok", step.name)
	}
	removeBucket(client, bucket)
	fmt.Println("ok waiters and removal")
	full(newClient(os.Getenv("POCKET_SMALL_ENDPOINT")))
	fmt.Println("ok full is throttling, and passes #full")
}

func newClient(endpoint string) *s3.Client {
	settings, err := config.LoadDefaultConfig(ctx)
	must(err)
	client := s3.NewFromConfig(settings, func(o *s3.Options) {
		o.BaseEndpoint = aws.String(endpoint)
		o.UsePathStyle = true
	})
	return client
}

func newBucket(client *s3.Client) string {
	bucket := fmt.Sprintf("go-%016x", rand.Uint64())
	_, err := client.CreateBucket(ctx, &s3.CreateBucketInput{Bucket: &bucket})
	must(err)
	must(s3.NewBucketExistsWaiter(client).Wait(ctx, &s3.HeadBucketInput{Bucket: &bucket}, 10*time.Second))
	return bucket
}

func removeBucket(client *s3.Client, bucket string) {
	objects := s3.NewListObjectsV2Paginator(client, &s3.ListObjectsV2Input{Bucket: &bucket})
	for objects.HasMorePages() {
		page, err := objects.NextPage(ctx)
		must(err)
		if len(page.Contents) == 0 {
			continue
		}
		gone := &types.Delete{}
		for _, object := range page.Contents {
			gone.Objects = append(gone.Objects, types.ObjectIdentifier{Key: object.Key})
		}
		answer, err := client.DeleteObjects(ctx, &s3.DeleteObjectsInput{Bucket: &bucket, Delete: gone})
		must(err)
		check(len(answer.Deleted) == len(gone.Objects) && len(answer.Errors) == 0, "bulk delete: %+v", answer.Errors)
	}
	_, err := client.DeleteBucket(ctx, &s3.DeleteBucketInput{Bucket: &bucket})
	must(err)
	must(s3.NewBucketNotExistsWaiter(client).Wait(ctx, &s3.HeadBucketInput{Bucket: &bucket}, 10*time.Second))
}

func objects(client *s3.Client, bucket string) {
	data := noise(300_000)
	put, err := client.PutObject(ctx, &s3.PutObjectInput{
		Bucket: &bucket, Key: aws.String("object"), Body: bytes.NewReader(data), ContentType: aws.String("text/x-noise"),
		Metadata: map[string]string{"colour": "blue"}, ChecksumAlgorithm: types.ChecksumAlgorithmSha256,
	})
	must(err)
	head, err := client.HeadObject(ctx, &s3.HeadObjectInput{
		Bucket: &bucket, Key: aws.String("object"), ChecksumMode: types.ChecksumModeEnabled,
	})
	must(err)
	check(*head.ContentLength == 300_000 && *head.ETag == *put.ETag && *head.ContentType == "text/x-noise", "head: %+v", head)
	check(head.Metadata["colour"] == "blue" && *head.ChecksumSHA256 == *put.ChecksumSHA256, "head: %+v", head)
	same(get(client, bucket, "object", ""), data)
	same(get(client, bucket, "object", "bytes=100-299"), data[100:300])
	same(get(client, bucket, "object", "bytes=-7"), data[len(data)-7:])
	_, err = client.GetObject(ctx, &s3.GetObjectInput{Bucket: &bucket, Key: aws.String("object"), Range: aws.String("bytes=300000-")})
	expect(err, "InvalidRange", http.StatusRequestedRangeNotSatisfiable)

	_, err = client.CopyObject(ctx, &s3.CopyObjectInput{
		Bucket: &bucket, Key: aws.String("copy"), CopySource: aws.String(bucket + "/object"),
	})
	must(err)
	must(s3.NewObjectExistsWaiter(client).Wait(ctx, &s3.HeadObjectInput{Bucket: &bucket, Key: aws.String("copy")}, 10*time.Second))
	same(get(client, bucket, "copy", ""), data)
	_, err = client.DeleteObject(ctx, &s3.DeleteObjectInput{Bucket: &bucket, Key: aws.String("copy")})
	must(err)
	must(s3.NewObjectNotExistsWaiter(client).Wait(ctx, &s3.HeadObjectInput{Bucket: &bucket, Key: aws.String("copy")}, 10*time.Second))
}

func keys(client *s3.Client, bucket string) {
	for i, key := range oddKeys {
		data := noise(100 + i)
		put(client, bucket, "odd/"+key, data)
		same(get(client, bucket, "odd/"+key, ""), data)
	}
	list, err := client.ListObjectsV2(ctx, &s3.ListObjectsV2Input{Bucket: &bucket, Prefix: aws.String("odd/")})
	must(err)
	var listed, expected []string
	for _, object := range list.Contents {
		listed = append(listed, *object.Key)
	}
	for _, key := range oddKeys {
		expected = append(expected, "odd/"+key)
	}
	slices.Sort(expected)
	check(slices.Equal(listed, expected), "listed %q instead of %q", listed, expected)
	// The bucket is emptied by bulk deletions later.
	for _, key := range expected {
		_, err := client.DeleteObject(ctx, &s3.DeleteObjectInput{Bucket: &bucket, Key: &key})
		must(err)
	}
	list, err = client.ListObjectsV2(ctx, &s3.ListObjectsV2Input{Bucket: &bucket, Prefix: aws.String("odd/")})
	must(err)
	check(len(list.Contents) == 0, "left: %+v", list.Contents)
	put(client, bucket, "odd/", nil)
}

func managers(client *s3.Client, bucket string) {
	data := noise(21*mib + 13)
	// A reader of unknown length, as a pipe would be.
	up, err := manager.NewUploader(client).Upload(ctx, &s3.PutObjectInput{
		Bucket: &bucket, Key: aws.String("managed"), Body: io.MultiReader(bytes.NewReader(data)),
	})
	must(err)
	check(len(up.CompletedParts) == 5, "%d parts", len(up.CompletedParts))
	down := manager.NewWriteAtBuffer(nil)
	n, err := manager.NewDownloader(client).Download(ctx, down, &s3.GetObjectInput{Bucket: &bucket, Key: aws.String("managed")})
	must(err)
	check(n == int64(len(data)), "%d bytes", n)
	same(down.Bytes(), data)

	part, err := client.GetObject(ctx, &s3.GetObjectInput{Bucket: &bucket, Key: aws.String("managed"), PartNumber: aws.Int32(5)})
	must(err)
	check(*part.PartsCount == 5, "%d parts", *part.PartsCount)
	same(drain(part.Body), data[20*mib:])

	sums, err := client.GetObjectAttributes(ctx, &s3.GetObjectAttributesInput{
		Bucket: &bucket, Key: aws.String("managed"),
		ObjectAttributes: []types.ObjectAttributes{types.ObjectAttributesObjectSize, types.ObjectAttributesChecksum},
	})
	must(err)
	check(*sums.ObjectSize == int64(len(data)) && sums.Checksum.ChecksumCRC32 != nil, "attributes: %+v", sums)
}

func transfers(client *s3.Client, bucket string) {
	data := noise(33*mib + 7)
	transfers := transfermanager.New(client)
	_, err := transfers.UploadObject(ctx, &transfermanager.UploadObjectInput{
		Bucket: &bucket, Key: aws.String("transferred"), Body: bytes.NewReader(data),
	})
	must(err)
	down := manager.NewWriteAtBuffer(nil)
	_, err = transfers.DownloadObject(ctx, &transfermanager.DownloadObjectInput{
		Bucket: &bucket, Key: aws.String("transferred"), WriterAt: down,
	})
	must(err)
	same(down.Bytes(), data)
	stream, err := transfers.GetObject(ctx, &transfermanager.GetObjectInput{Bucket: &bucket, Key: aws.String("transferred")})
	must(err)
	read, err := io.ReadAll(stream.Body)
	must(err)
	same(read, data)
}

func multipart(client *s3.Client, bucket string) {
	key := aws.String("by hand")
	data := noise(11 * mib)
	upload, err := client.CreateMultipartUpload(ctx, &s3.CreateMultipartUploadInput{
		Bucket: &bucket, Key: key, ChecksumAlgorithm: types.ChecksumAlgorithmCrc64nvme, ChecksumType: types.ChecksumTypeFullObject,
	})
	must(err)
	var parts []types.CompletedPart
	for i, piece := range [][]byte{data[:5*mib], data[5*mib : 10*mib], data[10*mib:]} {
		number := aws.Int32(int32(i + 1))
		part, err := client.UploadPart(ctx, &s3.UploadPartInput{
			Bucket: &bucket, Key: key, UploadId: upload.UploadId, PartNumber: number, Body: bytes.NewReader(piece),
			ChecksumAlgorithm: types.ChecksumAlgorithmCrc64nvme,
		})
		must(err)
		parts = append(parts, types.CompletedPart{PartNumber: number, ETag: part.ETag, ChecksumCRC64NVME: part.ChecksumCRC64NVME})
	}
	listed := s3.NewListPartsPaginator(client, &s3.ListPartsInput{
		Bucket: &bucket, Key: key, UploadId: upload.UploadId, MaxParts: aws.Int32(2),
	})
	count := 0
	for listed.HasMorePages() {
		page, err := listed.NextPage(ctx)
		must(err)
		count += len(page.Parts)
	}
	check(count == 3, "%d parts listed", count)
	done, err := client.CompleteMultipartUpload(ctx, &s3.CompleteMultipartUploadInput{
		Bucket: &bucket, Key: key, UploadId: upload.UploadId, ChecksumType: types.ChecksumTypeFullObject,
		MultipartUpload: &types.CompletedMultipartUpload{Parts: parts}, IfNoneMatch: aws.String("*"),
	})
	must(err)
	check(done.ChecksumCRC64NVME != nil && done.ChecksumType == types.ChecksumTypeFullObject, "completed: %+v", done)
	same(get(client, bucket, *key, ""), data)

	aborted, err := client.CreateMultipartUpload(ctx, &s3.CreateMultipartUploadInput{Bucket: &bucket, Key: key})
	must(err)
	_, err = client.AbortMultipartUpload(ctx, &s3.AbortMultipartUploadInput{Bucket: &bucket, Key: key, UploadId: aborted.UploadId})
	must(err)
	_, err = client.ListParts(ctx, &s3.ListPartsInput{Bucket: &bucket, Key: key, UploadId: aborted.UploadId})
	expect(err, "NoSuchUpload", http.StatusNotFound)
}

func conditions(client *s3.Client, bucket string) {
	key := aws.String("conditional")
	write := func(data string, ifMatch, ifNoneMatch *string) (*s3.PutObjectOutput, error) {
		return client.PutObject(ctx, &s3.PutObjectInput{
			Bucket: &bucket, Key: key, Body: strings.NewReader(data), IfMatch: ifMatch, IfNoneMatch: ifNoneMatch,
		})
	}
	_, err := write("x", aws.String(`"0123456789abcdef0123456789abcdef"`), nil)
	expect(err, "NoSuchKey", http.StatusNotFound)
	first, err := write("first", nil, aws.String("*"))
	must(err)
	_, err = write("again", nil, aws.String("*"))
	expect(err, "PreconditionFailed", http.StatusPreconditionFailed)
	second, err := write("second", first.ETag, nil)
	must(err)
	_, err = write("third", first.ETag, nil)
	expect(err, "PreconditionFailed", http.StatusPreconditionFailed)

	_, err = client.GetObject(ctx, &s3.GetObjectInput{Bucket: &bucket, Key: key, IfNoneMatch: second.ETag})
	expect(err, "NotModified", http.StatusNotModified)
	_, err = client.GetObject(ctx, &s3.GetObjectInput{Bucket: &bucket, Key: key, IfMatch: first.ETag})
	expect(err, "PreconditionFailed", http.StatusPreconditionFailed)
	_, err = client.DeleteObject(ctx, &s3.DeleteObjectInput{Bucket: &bucket, Key: key, IfMatch: first.ETag})
	expect(err, "PreconditionFailed", http.StatusPreconditionFailed)
	same(get(client, bucket, *key, ""), []byte("second"))

	// Of writers that race for a key that is not there exactly one wins.
	var wait sync.WaitGroup
	won := make([]error, 8)
	for i := range won {
		wait.Go(func() {
			_, won[i] = client.PutObject(ctx, &s3.PutObjectInput{
				Bucket: &bucket, Key: aws.String("raced"), Body: strings.NewReader(fmt.Sprint(i)), IfNoneMatch: aws.String("*"),
			})
		})
	}
	wait.Wait()
	winners := 0
	for _, err := range won {
		if err == nil {
			winners++
		}
	}
	check(winners == 1, "%d winners: %v", winners, won)
}

func pages(client *s3.Client, bucket string) {
	work := make(chan int)
	var wait sync.WaitGroup
	for range 8 {
		wait.Go(func() {
			for i := range work {
				put(client, bucket, fmt.Sprintf("many/%05d", i), []byte{byte(i)})
			}
		})
	}
	for i := range listedKeys {
		work <- i
	}
	close(work)
	wait.Wait()
	list := s3.NewListObjectsV2Paginator(client, &s3.ListObjectsV2Input{Bucket: &bucket, Prefix: aws.String("many/")})
	count, number := 0, 0
	for ; list.HasMorePages(); number++ {
		page, err := list.NextPage(ctx)
		must(err)
		for _, object := range page.Contents {
			check(*object.Key == fmt.Sprintf("many/%05d", count), "%s is listed as number %d", *object.Key, count)
			count++
		}
	}
	check(count == listedKeys && number == 2, "%d keys on %d pages", count, number)
	folders, err := client.ListObjectsV2(ctx, &s3.ListObjectsV2Input{Bucket: &bucket, Delimiter: aws.String("/")})
	must(err)
	check(len(folders.CommonPrefixes) == 2 && *folders.CommonPrefixes[0].Prefix == "many/", "folders: %+v", folders.CommonPrefixes)
}

func presigned(client *s3.Client, bucket string) {
	presigner := s3.NewPresignClient(client)
	key := aws.String("presigned +%ü")
	data := noise(100_000)
	call := func(method, url string, body []byte) (int, []byte) {
		request, err := http.NewRequest(method, url, bytes.NewReader(body))
		must(err)
		answer, err := http.DefaultClient.Do(request)
		must(err)
		return answer.StatusCode, drain(answer.Body)
	}
	up, err := presigner.PresignPutObject(ctx, &s3.PutObjectInput{Bucket: &bucket, Key: key})
	must(err)
	status, text := call(up.Method, up.URL, data)
	check(status == http.StatusOK, "presigned PUT: %d %s", status, text)
	down, err := presigner.PresignGetObject(ctx, &s3.GetObjectInput{
		Bucket: &bucket, Key: key, ResponseContentType: aws.String("text/other"),
	}, s3.WithPresignExpires(time.Minute))
	must(err)
	status, got := call(down.Method, down.URL, nil)
	check(status == http.StatusOK, "presigned GET: %d %s", status, got)
	same(got, data)
	status, _ = call(down.Method, strings.Replace(down.URL, "text%2Fother", "text%2Fwrong", 1), nil)
	check(status == http.StatusForbidden, "a changed URL: %d", status)
	head, err := presigner.PresignHeadObject(ctx, &s3.HeadObjectInput{Bucket: &bucket, Key: key})
	must(err)
	status, _ = call(head.Method, head.URL, nil)
	check(status == http.StatusOK, "presigned HEAD: %d", status)
	gone, err := presigner.PresignDeleteObject(ctx, &s3.DeleteObjectInput{Bucket: &bucket, Key: key})
	must(err)
	status, _ = call(gone.Method, gone.URL, nil)
	check(status == http.StatusNoContent, "presigned DELETE: %d", status)
	status, text = call(down.Method, down.URL, nil)
	check(status == http.StatusNotFound && bytes.Contains(text, []byte("NoSuchKey")), "after DELETE: %d %s", status, text)
}

func missing(client *s3.Client, bucket string) {
	key := aws.String("missing")
	_, err := client.GetObject(ctx, &s3.GetObjectInput{Bucket: &bucket, Key: key})
	var noSuchKey *types.NoSuchKey
	check(errors.As(err, &noSuchKey), "GET of a missing key: %v", err)
	_, err = client.HeadObject(ctx, &s3.HeadObjectInput{Bucket: &bucket, Key: key})
	var notFound *types.NotFound
	check(errors.As(err, &notFound), "HEAD of a missing key: %v", err)
	_, err = client.DeleteObject(ctx, &s3.DeleteObjectInput{Bucket: &bucket, Key: key})
	must(err)
	_, err = client.ListObjectsV2(ctx, &s3.ListObjectsV2Input{Bucket: aws.String(bucket + "-missing")})
	var noSuchBucket *types.NoSuchBucket
	check(errors.As(err, &noSuchBucket), "list of a missing bucket: %v", err)
	_, err = client.DeleteBucket(ctx, &s3.DeleteBucketInput{Bucket: &bucket})
	expect(err, "BucketNotEmpty", http.StatusConflict)
}

func full(client *s3.Client) {
	bucket := newBucket(client)
	defer removeBucket(client, bucket)
	data := noise(fillBytes)
	var stored int
	var err error
	for stored = 0; stored < fillObjects && err == nil; stored++ {
		_, err = client.PutObject(ctx, &s3.PutObjectInput{
			Bucket: &bucket, Key: aws.String(fmt.Sprint(stored)), Body: bytes.NewReader(data),
		})
	}
	expect(err, "SlowDown", http.StatusServiceUnavailable)
	same(get(client, bucket, "0", ""), data)
	_, err = client.DeleteObject(ctx, &s3.DeleteObjectInput{Bucket: &bucket, Key: aws.String("0")})
	must(err)
	// The SDK's own retries outlast the moment until the space is back.
	put(client, bucket, "0", data)
	same(get(client, bucket, "0", ""), data)
}

func put(client *s3.Client, bucket, key string, data []byte) {
	_, err := client.PutObject(ctx, &s3.PutObjectInput{Bucket: &bucket, Key: &key, Body: bytes.NewReader(data)})
	must(err)
}

func get(client *s3.Client, bucket, key, span string) []byte {
	input := &s3.GetObjectInput{Bucket: &bucket, Key: &key}
	if span != "" {
		input.Range = &span
	}
	answer, err := client.GetObject(ctx, input)
	must(err)
	return drain(answer.Body)
}

func drain(body io.ReadCloser) []byte {
	defer body.Close()
	data, err := io.ReadAll(body)
	must(err)
	return data
}

func noise(size int) []byte {
	data := make([]byte, size)
	_, err := rand.NewChaCha8([32]byte{byte(size)}).Read(data)
	must(err)
	return data
}

// expect: an error of S3 with this code and status, after whatever retries the SDK makes.
func expect(err error, code string, status int) {
	var api smithy.APIError
	var response interface{ HTTPStatusCode() int }
	check(errors.As(err, &api) && errors.As(err, &response), "expected %s, got %v", code, err)
	check(api.ErrorCode() == code && response.HTTPStatusCode() == status, "expected %d %s, got %v", status, code, err)
}

func same(got, expected []byte) {
	check(bytes.Equal(got, expected), "%d other bytes than the %d expected", len(got), len(expected))
}

func must(err error) {
	check(err == nil, "%v", err)
}

func check(holds bool, format string, values ...any) {
	if !holds {
		log.Output(2, fmt.Sprintf(format, values...))
		panic("the job failed")
	}
}
