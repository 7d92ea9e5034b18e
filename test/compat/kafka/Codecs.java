// Writes one text in each codec of Kafka, and batches of the formats 0, 1 and 2, into a folder:
//   javac -cp 'libs/*' -d /tmp Codecs.java && java -cp 'libs/*:/tmp' Codecs FOLDER
// Some of the files are kept in test/golden/codecs.

import java.io.OutputStream;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.Paths;
import org.apache.kafka.common.compress.Compression;
import org.apache.kafka.common.record.CompressionType;
import org.apache.kafka.common.record.MemoryRecords;
import org.apache.kafka.common.record.MemoryRecordsBuilder;
import org.apache.kafka.common.record.TimestampType;
import org.apache.kafka.common.utils.ByteBufferOutputStream;

public class Codecs {
  static final long TIME = 1700000000000L;
  static Path folder;

  public static void main(String[] words) throws Exception {
    folder = Files.createDirectories(Paths.get(words[0]));
    StringBuilder text = new StringBuilder();
    for (int n = 0; n < 2200; n++) text.append(line(n));
    byte[] lines = bytes(text.toString());
    for (CompressionType type : CompressionType.values()) {
      if (type != CompressionType.NONE) put(type.name, packed(Compression.of(type).build(), lines));
    }
    put("snappy-raw", org.xerial.snappy.Snappy.compress(lines));
    put("lz4-high", packed(Compression.lz4().level(12).build(), lines));
    for (byte magic = 0; magic <= 2; magic++) {
      for (CompressionType type : CompressionType.values()) {
        if (type == CompressionType.ZSTD && magic < 2) continue;
        put("magic" + magic + "-" + type.name, batch(magic, Compression.of(type).build()));
      }
    }
  }

  static String line(int n) {
    return "line " + n + " of a text about order " + (n * 7919 % 1000) + ", " + (n % 7) + "\n";
  }

  /** 60 records from offset 100 on: every tenth without a key, every twenty-fifth without a value. */
  static byte[] batch(byte magic, Compression compression) {
    ByteBuffer buffer = ByteBuffer.allocate(1 << 20);
    MemoryRecordsBuilder builder = MemoryRecords.builder(
        buffer, magic, compression, TimestampType.CREATE_TIME, 100L, magic == 0 ? -1L : TIME);
    for (int n = 0; n < 60; n++) {
      byte[] key = n % 10 == 0 ? null : bytes("key " + n);
      byte[] value = n % 25 == 24 ? null : bytes(line(n));
      builder.append(magic == 0 ? -1L : TIME + n, key, value);
    }
    MemoryRecords records = builder.build();
    byte[] all = new byte[records.sizeInBytes()];
    records.buffer().duplicate().get(all);
    return all;
  }

  static byte[] packed(Compression compression, byte[] content) throws Exception {
    ByteBufferOutputStream out = new ByteBufferOutputStream(1 << 20);
    try (OutputStream stream = compression.wrapForOutput(out, (byte) 2)) {
      stream.write(content);
    }
    ByteBuffer written = out.buffer().duplicate();
    written.flip();
    byte[] all = new byte[written.remaining()];
    written.get(all);
    return all;
  }

  static byte[] bytes(String text) {
    return text.getBytes(StandardCharsets.UTF_8);
  }

  static void put(String name, byte[] content) throws Exception {
    Files.write(folder.resolve(name), content);
  }
}
