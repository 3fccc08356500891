"""A program for a computer that answers files, such as recordings, with the device's sources."""

from string import Template

from edgevolve.data import Classes, Target, Values
from edgevolve.deployment.c_model import Reading


def host_program(header: str, reading: Reading, target: Target, several: bool = False) -> str:
    """`main.cpp`: answers WAV, CSV, PGM, PPM or BMP files, as the type of the input allows, and files of raw values.

    With `several` networks the golden examples run on one after the other, and on the first again at the end;
    `--network=1` answers with another network.
    """
    kind = 0 if isinstance(target, Classes) else 1 if isinstance(target, Values) else 2
    reads, format_ = _READERS.get(reading.type, ("", ""))
    return _MAIN.substitute(
        header=header,
        reader=reads,
        formats=f"{format_}, or any other file of the values as they lie in memory" if format_ else "raw values",
        read=_CALLS.get(reading.type, "Examples examples = raw_values(path);"),
        answer=_ANSWERS[kind],
        golden=_GOLDEN_OF_SEVERAL if several else _GOLDEN,
        option=_OPTION if several else "",
    )


_ANSWERS = (
    """\
  static float scores[kClasses];
  const int label = classify(raw, scores);
  if (label < 0) return failed(label);
  std::printf("%s: %s %.6f\\n", name, answer_name(label), static_cast<double>(scores[label]));""",
    """\
  static float values[kValues];
  const int status = estimate(raw, values);
  if (status < 0) return failed(status);
  std::printf("%s:", name);
  for (int i = 0; i < kValues; ++i) {
    std::printf(" %s %.6g%s%s", answer_name(i), static_cast<double>(values[i]), *answer_unit(i) ? " " : "",
                answer_unit(i));
  }
  std::printf("\\n");""",
    """\
  float score = 0.0f;
  const int status = anomaly_score(raw, &score);
  if (status < 0) return failed(status);
  std::printf("%s: %.6g\\n", name, static_cast<double>(score));""",
)

_GOLDEN = """\
int run_golden() {
  const int agreeing = golden_agreeing();
  if (agreeing < 0) return failed(agreeing);
  std::printf("%d of %d golden examples agree; %d of %d bytes of arena used\\n", agreeing, +kGoldenExamples,
              arena_used(), +kArenaBytes);
  return agreeing == kGoldenExamples ? 0 : 1;
}
"""
_GOLDEN_OF_SEVERAL = """\
int run_golden() {
  int differing = 0;
  for (int turn = 0; turn <= kNetworks; ++turn) {
    const int status = switch_network(turn % kNetworks);
    const int agreeing = status == kReady ? golden_agreeing() : status;
    if (agreeing < 0) return failed(agreeing);
    std::printf("network %d: %d of %d golden examples agree; %d of %d bytes of arena used\\n", turn % kNetworks,
                agreeing, +kGoldenExamples, arena_used(), +kArenaBytes);
    differing += kGoldenExamples - agreeing;
  }
  return differing == 0 ? 0 : 1;
}
"""
_OPTION = """\
    if (path.compare(0, 10, "--network=") == 0) {
      const int status = switch_network(std::atoi(path.c_str() + 10));
      if (status != kReady) return failed(status);
      continue;
    }
"""

_WAV = """\
unsigned little(const std::string& bytes, std::size_t at, int count) {
  unsigned value = 0;
  for (int i = count - 1; i >= 0; --i) value = value << 8 | static_cast<unsigned char>(bytes[at + i]);
  return value;
}

// 16 bits, one channel. A shorter recording stands in the middle of zeros; of a longer one the middle is taken.
Examples wav(const std::string& path) {
  const std::string file = whole(path);
  if (file.size() < 12 || file.compare(0, 4, "RIFF") != 0 || file.compare(8, 4, "WAVE") != 0) refuse(path, "is no WAV");
  unsigned format = 0, channels = 0, rate = 0, bits = 0;
  for (std::size_t at = 12; at + 8 <= file.size();) {
    const std::string name = file.substr(at, 4);
    const std::size_t size = std::min<std::size_t>(little(file, at + 4, 4), file.size() - at - 8);
    at += 8;
    if (name == "fmt " && size >= 16) {
      format = little(file, at, 2);
      channels = little(file, at + 2, 2);
      rate = little(file, at + 4, 4);
      bits = little(file, at + 14, 2);
      if (format == 0xfffe && size >= 26) format = little(file, at + 24, 2);
    } else if (name == "data") {
      if (format != 1 || channels != 1 || bits != 16) refuse(path, "must be PCM of 16 bits and one channel");
      if (kRawRate != 0 && rate != static_cast<unsigned>(kRawRate)) {
        refuse(path, "is at " + std::to_string(rate) + " Hz, the model hears " + std::to_string(+kRawRate));
      }
      const long there = static_cast<long>(size / 2), over = there - kRawValues;
      const long before = over < 0 ? -over / 2 : 0, skipped = over > 0 ? over / 2 : 0;
      Examples examples(1);
      examples[0].assign(kRawValues, 0);
      for (long i = 0; i < std::min<long>(there, kRawValues); ++i) {
        examples[0][before + i] = static_cast<RawValue>(little(file, at + 2 * (skipped + i), 2));
      }
      return examples;
    }
    at += size + size % 2;
  }
  refuse(path, "holds no sound");
}

"""
_CSV = """\
// A line holds kRawWidth * kRawChannels numbers, or a whole example. A first line of names and a first column whose
// name begins with "time" are left out. Of a recording of several examples each is answered.
Examples csv(const std::string& path) {
  std::istringstream file(whole(path));
  const std::size_t row = static_cast<std::size_t>(kRawWidth) * kRawChannels;
  std::vector<RawValue> values;
  std::string line;
  std::size_t skipped = 0, number = 0;
  while (std::getline(file, line)) {
    ++number;
    for (char& letter : line) {
      if (letter == ',' || letter == ';' || letter == '\\t' || letter == '\\r') letter = ' ';
    }
    std::istringstream words(line);
    std::vector<RawValue> fields;
    if (number == 1 && line.compare(0, 3, "\\xef\\xbb\\xbf") == 0) words.ignore(3);
    std::string word, first;
    bool numbers = true;
    while (words >> word) {
      char* end = nullptr;
      const float value = std::strtof(word.c_str(), &end);
      if (*end != '\\0' || !std::isfinite(value)) numbers = false;
      if (first.empty()) first = word;
      fields.push_back(value);
    }
    if (fields.empty()) continue;
    if (!numbers) {
      if (number > 1) refuse(path, "line " + std::to_string(number) + ": holds a value that is not a finite number");
      for (char& letter : first) letter = static_cast<char>(std::tolower(static_cast<unsigned char>(letter)));
      skipped = first.find("time") < 2 ? 1 : 0;
      continue;
    }
    fields.erase(fields.begin(), fields.begin() + static_cast<long>(std::min(skipped, fields.size())));
    if (fields.size() != row && fields.size() != static_cast<std::size_t>(kRawValues)) {
      refuse(path, "line " + std::to_string(number) + " has " + std::to_string(fields.size()) +
                       " numbers, an example has " + std::to_string(row) + " a line");
    }
    values.insert(values.end(), fields.begin(), fields.end());
  }
  if (values.size() < static_cast<std::size_t>(kRawValues)) {
    refuse(path, "has " + std::to_string(values.size() / row) + " rows, an example " + std::to_string(+kRawHeight));
  }
  return cut(values);
}

"""
_PIXELS = """\
// Of PGM (P5) and PPM (P6), 8 bits a channel, or of an uncompressed BMP of 24 or 32 bits. Nothing is resized.
Examples image(const std::string& path) {
  const std::string file = whole(path);
  long width = 0, height = 0, channels = 0, row = 0, pixel = 0, begin = 0;
  bool upwards = false, bgr = false;
  if (file.compare(0, 2, "P5") == 0 || file.compare(0, 2, "P6") == 0) {
    long fields[3], at = 2;
    const long size = static_cast<long>(file.size());
    for (long& field : fields) {
      while (at < size && (std::isspace(static_cast<unsigned char>(file[at])) || file[at] == '#')) {
        if (file[at++] != '#') continue;
        while (at < size && file[at] != '\\n') ++at;  // a comment
      }
      field = std::atol(file.c_str() + at);
      while (at < size && std::isdigit(static_cast<unsigned char>(file[at]))) ++at;
    }
    if (fields[2] != 255) refuse(path, "must have 8 bits a channel");
    width = fields[0];
    height = fields[1];
    channels = pixel = file[1] == '5' ? 1 : 3;
    row = width * channels;
    begin = at + 1;
  } else if (file.compare(0, 2, "BM") == 0 && file.size() >= 54) {
    const auto little = [&file](std::size_t at, int count) {
      long value = 0;
      for (int i = count - 1; i >= 0; --i) value = value << 8 | static_cast<unsigned char>(file[at + i]);
      return count == 4 && value > 0x7fffffffL ? value - 0x100000000L : value;
    };
    const long bits = little(28, 2), compression = little(30, 4);
    if ((bits != 24 && bits != 32) || (compression != 0 && compression != 3)) {
      refuse(path, "must be a BMP of 24 or 32 bits, uncompressed");
    }
    width = little(18, 4);
    height = little(22, 4);
    upwards = height > 0;
    height = height < 0 ? -height : height;
    channels = 3;
    pixel = bits / 8;
    row = (width * pixel + 3) / 4 * 4;
    begin = little(10, 4);
    bgr = true;
  } else {
    refuse(path, "is no PGM, PPM or BMP; PNG and JPEG are not decoded here");
  }
  if (width != kRawWidth || height != kRawHeight) {
    refuse(path, "has " + std::to_string(height) + " x " + std::to_string(width) + " pixels, the model sees " +
                     std::to_string(+kRawHeight) + " x " + std::to_string(+kRawWidth));
  }
  if (channels == 1 && kRawChannels == 3) refuse(path, "is grey, the model sees colour");
  if (begin < 0 || begin + row * height > static_cast<long>(file.size())) refuse(path, "is cut off");
  Examples examples(1);
  for (long y = 0; y < height; ++y) {
    const char* at = file.data() + begin + row * (upwards ? height - 1 - y : y);
    for (long x = 0; x < width; ++x, at += pixel) {
      const int first = static_cast<unsigned char>(at[0]), second = static_cast<unsigned char>(at[channels / 2]);
      const int third = static_cast<unsigned char>(at[channels - 1]);
      const int red = bgr ? third : first, green = second, blue = bgr ? first : third;
      if (kRawChannels == 1) {  // ITU-R BT.601's luma, in 16 bits as Pillow has it
        examples[0].push_back(static_cast<RawValue>((19595 * red + 38470 * green + 7471 * blue + 0x8000) >> 16));
      } else {
        for (const int value : {red, green, blue}) examples[0].push_back(static_cast<RawValue>(value));
      }
    }
  }
  return examples;
}

"""
_READERS = {
    "int16": (_WAV, "a WAV of 16 bits and one channel"),
    "float32": (_CSV, "a CSV"),
    "uint8": (_PIXELS, "a PGM, PPM or BMP"),
}
_CALLS = {
    "int16": 'Examples examples = ends_in(path, ".wav") ? wav(path) : raw_values(path);',
    "float32": 'Examples examples = ends_in(path, ".csv") ? csv(path) : raw_values(path);',
    "uint8": """\
const bool is_image = ends_in(path, ".pgm") || ends_in(path, ".ppm") || ends_in(path, ".bmp") || ends_in(path, ".png");
    Examples examples = is_image ? image(path) : raw_values(path);""",
}

_MAIN = Template("""\
// Answers recordings on a computer with the sources of the device; without a file runs the golden examples.
//
//   main [FILE...]
//
// FILE is $formats. Ends with 0; with 1 where a golden example differs or the model cannot
// run, and with 2 for a file that cannot be read.
#include <algorithm>
#include <cctype>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <sstream>
#include <string>
#include <vector>

#include "$header"
#include "golden.h"

namespace {

using Examples = std::vector<std::vector<RawValue>>;

[[noreturn]] void refuse(const std::string& path, const std::string& why) {
  std::fprintf(stderr, "%s: %s\\n", path.c_str(), why.c_str());
  std::exit(2);
}

std::string whole(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  std::ostringstream text;
  if (!file || !(text << file.rdbuf())) refuse(path, "cannot be read, or is empty");
  return text.str();
}

bool ends_in(const std::string& path, const std::string& ending) {
  if (path.size() < ending.size()) return false;
  return std::equal(ending.rbegin(), ending.rend(), path.rbegin(), [](char wanted, char letter) {
    return wanted == std::tolower(static_cast<unsigned char>(letter));
  });
}

Examples cut(const std::vector<RawValue>& values) {
  Examples examples;
  for (auto at = values.begin(); values.end() - at >= kRawValues; at += kRawValues) {
    examples.emplace_back(at, at + kRawValues);
  }
  return examples;
}

Examples raw_values(const std::string& path) {
  const std::string file = whole(path);
  if (file.size() % (sizeof(RawValue) * kRawValues) != 0) {
    refuse(path, "has " + std::to_string(file.size()) + " bytes, an example " +
                     std::to_string(sizeof(RawValue) * kRawValues));
  }
  std::vector<RawValue> values(file.size() / sizeof(RawValue));
  std::memcpy(values.data(), file.data(), file.size());
  return cut(values);
}

${reader}int failed(int status) {
  if (status == kArenaTooSmall) {
    std::fprintf(stderr, "an arena of %d bytes is too small\\n", +kArenaBytes);
  } else {
    std::fprintf(stderr, "the model cannot run: error %d\\n", status);
  }
  return 1;
}

int answer(const char* name, const RawValue* raw) {
$answer
  return 0;
}

$golden
}  // namespace

int main(int count, char** given) {
  if (count < 2) return run_golden();
  for (int i = 1; i < count; ++i) {
    const std::string path = given[i];
$option    $read
    for (std::size_t part = 0; part < examples.size(); ++part) {
      const std::string name = examples.size() > 1 ? path + ", part " + std::to_string(part + 1) : path;
      const int status = answer(name.c_str(), examples[part].data());
      if (status != 0) return status;
    }
  }
  return 0;
}
""")
