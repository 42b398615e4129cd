package pocket.compat;

import java.io.BufferedOutputStream;
import java.io.ByteArrayOutputStream;
import java.io.FileNotFoundException;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.SplittableRandom;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.zip.Adler32;
import org.apache.hadoop.conf.Configuration;
import org.apache.hadoop.fs.FSDataInputStream;
import org.apache.hadoop.fs.FileStatus;
import org.apache.hadoop.fs.FileSystem;
import org.apache.hadoop.fs.Path;
import org.apache.hadoop.fs.StreamCapabilities;
import org.apache.spark.SparkConf;
import org.apache.spark.network.util.JavaUtils;
import org.apache.spark.storage.FallbackStorage;
import org.apache.spark.storage.ShuffleBlockId;

/**
 * What the plugin spark-s3-shuffle asks of Hadoop's file system, call by call; the plugin itself is not published as a
 * package, and is not run. A map task leaves a file of data, one of offsets and one of checksums; reduce tasks fetch their
 * ranges of all map tasks' data with several threads; a shuffle is removed by its folders.
 *
 * Each partition's bytes follow from its shuffle, map task and number, and are compared when they are read.
 */
public final class ShuffleBlocks {
    /** What the plugin collects before it writes, and the most that it reads at once: its `bufferSize`. */
    private static final int BUFFER_BYTES = 8 << 20;
    /** Threads that fetch for one task: its `maxConcurrencyTask`. */
    private static final int FETCHERS = 10;
    /** Tasks at a time, as in `local[2]`. */
    private static final int TASKS = 2;
    /** One partition in so many is empty: nothing is written, and nothing fetched. */
    private static final int ONE_EMPTY_IN = 7;

    private final Configuration settings;
    private final String root;
    private final String application;
    private final int prefixes;
    private final int maps;
    private final int reduces;
    private final int partBytes;
    /** The plugin asks once for a file's status and once for an index, and keeps both. */
    private final Map<Path, FileStatus> known = new ConcurrentHashMap<>();
    private final Map<Path, long[]> numbers = new ConcurrentHashMap<>();

    /** `root` ends with a slash; partitions have about `partBytes`. */
    public ShuffleBlocks(
            Configuration settings, String root, String application, int prefixes, int maps, int reduces, int partBytes) {
        this.settings = settings;
        this.root = root;
        this.application = application;
        this.prefixes = prefixes;
        this.maps = maps;
        this.reduces = reduces;
        this.partBytes = partBytes;
    }

    /** All map tasks of a shuffle; gives the bytes of data. */
    public long write(int shuffle) throws Exception {
        return sum(TASKS, maps, map -> write(shuffle, map, false));
    }

    /** The same where Spark's fallback storage looks for it: the plugin's `useSparkShuffleFetch`. */
    public long writeForSpark(int shuffle) throws Exception {
        return sum(TASKS, maps, map -> write(shuffle, map, true));
    }

    /** All reduce tasks, of `partitions` each, which they fetch as one range; gives the bytes that were compared. */
    public long read(int shuffle, int partitions) throws Exception {
        known.clear();
        numbers.clear();
        return sum(TASKS, (reduces + partitions - 1) / partitions, task -> {
            int first = task * partitions;
            int end = Math.min(reduces, first + partitions);
            return sum(FETCHERS, maps, map -> read(shuffle, map, first, end));
        });
    }

    /** The same through Spark's own reader of its fallback storage. */
    public long readBySpark(int shuffle) throws Exception {
        SparkConf conf = new SparkConf(false).set("spark.app.id", application);
        conf.set("spark.storage.decommission.fallbackStorage.path", root);
        return sum(TASKS, reduces, reduce -> sum(FETCHERS, maps, map -> {
            ShuffleBlockId block = new ShuffleBlockId(shuffle, map, reduce);
            try (InputStream stream = FallbackStorage.read(conf, block).createInputStream()) {
                return compare(block.name(), stream.readAllBytes(), parts(shuffle, map, reduce, reduce + 1));
            }
        }));
    }

    /** Map tasks whose offsets are found by listing, as the plugin does without `useBlockManager`. */
    public long listed(int shuffle) throws Exception {
        return sum(prefixes, prefixes, prefix -> {
            try {
                return store().listStatus(folder(prefix, shuffle), path -> path.getName().endsWith(".index")).length;
            } catch (FileNotFoundException nothing) {
                return 0;
            }
        });
    }

    /** Removes a shuffle's folder under each prefix, where there is none too; gives how many there were. */
    public long remove(int shuffle) throws Exception {
        return sum(prefixes, prefixes, prefix -> store().delete(folder(prefix, shuffle), true) ? 1 : 0);
    }

    /** Removes what the application left under each prefix. */
    public long removeAll() throws Exception {
        return sum(prefixes, prefixes, prefix -> store().delete(new Path(root + prefix + "/" + application), true) ? 1 : 0);
    }

    private long write(int shuffle, int map, boolean forSpark) throws IOException {
        long[] offsets = new long[reduces + 1];
        long[] sums = new long[reduces];
        try (OutputStream data = create(path(shuffle, map, "data", forSpark))) {
            for (int reduce = 0; reduce < reduces; reduce++) {
                byte[] part = part(shuffle, map, reduce);
                data.write(part);
                // Before it asks for the position, which it does after each partition.
                data.flush();
                offsets[reduce + 1] = offsets[reduce] + part.length;
                sums[reduce] = adler(part, 0, part.length);
            }
        }
        writeNumbers(path(shuffle, map, "index", forSpark), offsets);
        writeNumbers(path(shuffle, map, "checksum.ADLER32", forSpark), sums);
        return offsets[reduces];
    }

    /** Partitions [first, end) of one map task. */
    private long read(int shuffle, int map, int first, int end) throws Exception {
        long[] offsets = readNumbers(path(shuffle, map, "index", false));
        long[] sums = readNumbers(path(shuffle, map, "checksum.ADLER32", false));
        byte[] found = new byte[(int) (offsets[end] - offsets[first])];
        if (found.length == 0) {
            return 0;
        }
        Path path = path(shuffle, map, "data", false);
        try (FSDataInputStream stream = open(path)) {
            for (int at = 0; at < found.length; at += BUFFER_BYTES) {
                stream.readFully(offsets[first] + at, found, at, Math.min(BUFFER_BYTES, found.length - at));
            }
        }
        for (int reduce = first; reduce < end; reduce++) {
            int at = (int) (offsets[reduce] - offsets[first]);
            if (adler(found, at, (int) (offsets[reduce + 1] - offsets[reduce])) != sums[reduce]) {
                throw new IOException(path + ": partition " + reduce + " has another checksum");
            }
        }
        return compare(path + " from " + offsets[first], found, parts(shuffle, map, first, end));
    }

    private FileSystem store() throws IOException {
        return FileSystem.get(new Path(root).toUri(), settings);
    }

    private Path folder(int prefix, int shuffle) {
        return new Path(root + prefix + "/" + application + "/" + shuffle + "/");
    }

    private Path path(int shuffle, int map, String kind, boolean forSpark) {
        String name = "shuffle_" + shuffle + "_" + map + "_0." + kind;
        if (forSpark) {
            return new Path(root + application + "/" + shuffle + "/" + JavaUtils.nonNegativeHash(name) + "/" + name);
        }
        return new Path(folder(map % prefixes, shuffle), name);
    }

    private OutputStream create(Path path) throws IOException {
        return new BufferedOutputStream(store().create(path), BUFFER_BYTES);
    }

    /** A stream for one range, which asks for no status and reads no further than it is told. */
    private FSDataInputStream open(Path path) throws Exception {
        FileStatus status = known.get(path);
        if (status == null) {
            status = store().getFileStatus(path);
            known.put(path, status);
        }
        FSDataInputStream stream = store().openFile(path).withFileStatus(status).build().get();
        if (store().hasPathCapability(path, StreamCapabilities.READAHEAD)) {
            stream.setReadahead(0L);
        }
        return stream;
    }

    private void writeNumbers(Path path, long[] values) throws IOException {
        ByteBuffer bytes = ByteBuffer.allocate(values.length * Long.BYTES);
        Arrays.stream(values).forEach(bytes::putLong);
        try (OutputStream file = create(path)) {
            file.write(bytes.array());
        }
    }

    private long[] readNumbers(Path path) throws Exception {
        long[] values = numbers.get(path);
        if (values == null) {
            try (FSDataInputStream stream = open(path)) {
                ByteBuffer bytes = ByteBuffer.wrap(stream.readAllBytes());
                values = new long[bytes.remaining() / Long.BYTES];
                bytes.asLongBuffer().get(values);
            }
            numbers.put(path, values);
        }
        return values;
    }

    private byte[] part(int shuffle, int map, int reduce) {
        int number = map * reduces + reduce;
        // No two next to each other are of the same size.
        byte[] bytes = new byte[number % ONE_EMPTY_IN == 0 ? 0 : partBytes + number * 31 % 1000];
        new SplittableRandom((long) shuffle << 32 | number).nextBytes(bytes);
        return bytes;
    }

    private byte[] parts(int shuffle, int map, int first, int end) {
        ByteArrayOutputStream bytes = new ByteArrayOutputStream();
        for (int reduce = first; reduce < end; reduce++) {
            bytes.writeBytes(part(shuffle, map, reduce));
        }
        return bytes.toByteArray();
    }

    private static long adler(byte[] bytes, int from, int length) {
        Adler32 sum = new Adler32();
        sum.update(bytes, from, length);
        return sum.getValue();
    }

    private static long compare(String what, byte[] found, byte[] expected) throws IOException {
        int different = Arrays.mismatch(found, expected);
        if (different >= 0) {
            throw new IOException(what + ": " + found.length + " bytes instead of " + expected.length
                    + ", different from byte " + different + " on");
        }
        return found.length;
    }

    /** One of several pieces of work that go on at the same time. */
    private interface Work {
        long of(int number) throws Exception;
    }

    /** Does `count` pieces, so many at a time, and adds up what they give. */
    private static long sum(int threads, int count, Work work) throws Exception {
        ExecutorService pool = Executors.newFixedThreadPool(threads);
        try {
            List<Future<Long>> pieces = new ArrayList<>();
            for (int number = 0; number < count; number++) {
                int piece = number;
                pieces.add(pool.submit(() -> work.of(piece)));
            }
            long sum = 0;
            for (Future<Long> piece : pieces) {
                sum += piece.get();
            }
            return sum;
        } finally {
            pool.shutdownNow();
        }
    }
}
