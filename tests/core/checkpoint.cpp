// SPDX-License-Identifier: LGPL-2.1-or-later
// Other people's checkpoints and word lists: formats by hand, hostile files, memory. What Python itself
// writes: checkpoint_python.py.
#include "models/import/checkpoint.hpp"
#include "models/import/pickle.hpp"
#include "models/import/vocabulary.hpp"
#include "tests/core/check.hpp"
#include "tests/core/checkpoint_files.hpp"

#include <sys/resource.h>
#include <unistd.h>

#include <cmath>
#include <cstdlib>
#include <fstream>

using namespace gsem;
using namespace gsem::checkpoint;
using namespace checkpoint_files;

namespace {

using CheckpointPtr = std::shared_ptr<const Checkpoint>;

const std::vector<float> kStorage = {0, 1, 2, 3, 4, 5, 6, 7};

TensorSpec spec(const std::string& name, std::vector<int64_t> shape, std::vector<int64_t> stride,
                int64_t offset = 0) {
  TensorSpec t;
  t.name = name;
  t.count = int64_t(kStorage.size());
  t.offset = offset;
  t.shape = std::move(shape);
  t.stride = std::move(stride);
  return t;
}

std::string small_dict(const std::string& prefix = "") {
  return dict({{prefix + "a.weight", tensor(spec("", {2, 3}, {3, 1}))},
               {prefix + "a.turned", tensor(spec("", {3, 2}, {1, 3}, 1))},
               {prefix + "one", tensor(spec("", {}, {}, 7))},
               {prefix + "steps", integer(12)}});
}

void check_small(const Bytes& file) {
  CheckpointPtr read;
  std::string error;
  CHECK(Checkpoint::parse(file, "file", read, error) == Status::Ok);
  if (!read) {
    std::fprintf(stderr, "%s\n", error.c_str());
    return;
  }
  CHECK(read->tensors().size() == 3 && read->others().size() == 1);
  CHECK(read->others().count("steps") && read->others().at("steps") == "is a number");
  CHECK(to_floats(read->tensors().at("a.weight")) == (std::vector<float>{0, 1, 2, 3, 4, 5}));
  CHECK(read->tensors().at("a.weight").shape == (std::vector<int64_t>{2, 3}));
  CHECK(to_floats(read->tensors().at("a.turned")) == (std::vector<float>{1, 4, 2, 5, 3, 6}));
  CHECK(to_floats(read->tensors().at("one")) == std::vector<float>{7});
}

void test_formats() {
  for (const char* prefix : {"", "module.", "module.module."}) {
    check_small(zip_checkpoint(small_dict(prefix), kStorage));
    check_small(zip_checkpoint(small_dict(prefix), kStorage, true));
    check_small(legacy_checkpoint(small_dict(prefix), kStorage));
    for (const char* wrapper : {"state_dict", "model_state_dict", "model"}) {
      const std::string wrapped = dict(
          {{"epoch", integer(7)},
           {"optimizer", call(global("argparse", "Namespace"), ")") + "}(" + text("lr") + "F0.1\n" + "ub"},
           {wrapper, small_dict(prefix)}});
      check_small(zip_checkpoint(wrapped, kStorage));
      check_small(legacy_checkpoint(wrapped, kStorage));
    }
  }
}

std::string refused(const Bytes& file, Status expected) {
  CheckpointPtr read;
  std::string error;
  const Status status = Checkpoint::parse(file, "file", read, error);
  CHECK(status == expected && !read);
  CHECK(error.starts_with("file ") && error.size() > 10);
  if (status != expected)
    std::fprintf(stderr, "%s, not %s: %s\n", status_name(status), status_name(expected), error.c_str());
  return error;
}

std::string other(const Bytes& file, const std::string& name) {
  CheckpointPtr read;
  std::string error;
  CHECK(Checkpoint::parse(file, "file", read, error) == Status::Ok);
  return read && read->others().count(name) ? read->others().at(name) : "none (" + error + ")";
}

/// A file with one tensor that cannot be read; returns why. In a legacy file a storage of unknown size hides
/// all that follow, so the file is refused.
std::string bad_tensor(const TensorSpec& t, bool known_storage = true) {
  const std::string object = dict({{"w", tensor(t)}});
  if (known_storage)
    CHECK(other(legacy_checkpoint(object, kStorage), "w").size() > 5);
  else
    refused(legacy_checkpoint(object, kStorage), Status::Unsupported);
  return other(zip_checkpoint(object, kStorage), "w");
}

void test_hostile() {
  // A call: kept as a record, named in the reason, and nothing runs.
  const std::string marker = "/tmp/gsem-import-ran-" + std::to_string(::getpid());
  const std::string attack = call(global("posix", "system"), tuple({text("touch " + marker)}));
  CHECK(refused(zip_checkpoint(attack, kStorage), Status::Unsupported).find("posix.system") !=
        std::string::npos);
  CHECK(refused(legacy_checkpoint(attack, kStorage), Status::Unsupported).find("posix.system") !=
        std::string::npos);
  CHECK(other(zip_checkpoint(dict({{"w", attack}, {"a", tensor(spec("", {2}, {1}))}}), kStorage), "w")
            .find("posix.system") != std::string::npos);
  CHECK(::access(marker.c_str(), F_OK) != 0);

  // Tensors that lie.
  TensorSpec t = spec("w", {2, 3}, {3, 1});
  t.type = "ComplexFloatStorage";
  CHECK(bad_tensor(t, false).find("ComplexFloatStorage") != std::string::npos);
  t = spec("w", {2, 3}, {3, 1}, 3);
  CHECK(bad_tensor(t).find("larger than its storage") != std::string::npos);
  t = spec("w", {int64_t(1) << 40, 3}, {0, 0}); // three terabytes over one element
  CHECK(bad_tensor(t).find("larger than its storage") != std::string::npos);
  t = spec("w", {int64_t(1) << 40, int64_t(1) << 40}, {0, 1});
  CHECK(bad_tensor(t).find("larger than its storage") != std::string::npos);
  t = spec("w", {2}, {INT64_MAX});
  CHECK(bad_tensor(t).find("larger than its storage") != std::string::npos);
  t = spec("w", {2, -3}, {3, 1});
  CHECK(bad_tensor(t).find("damaged") != std::string::npos);
  t = spec("w", {1}, {1});
  t.count = int64_t(10) << 28; // 10 GiB of floats declared
  CHECK(bad_tensor(t).find("declares") != std::string::npos);
  t = spec("w", {1}, {1});
  t.key = "17";
  CHECK(bad_tensor(t, false).find("no entry") != std::string::npos);

  // Archives that lie.
  const Bytes whole = zip_checkpoint(small_dict(), kStorage);
  for (size_t size : {size_t(0), size_t(3), size_t(40), whole.size() / 2, whole.size() - 1})
    refused(Bytes(whole.begin(), whole.begin() + std::ptrdiff_t(size)), Status::Corrupt);
  ZipEntry bomb{"archive/data.pkl", pickle(small_dict()), true, uint64_t(0xfffffff0)};
  CHECK(refused(zip({bomb}), Status::TooLarge).find("inflate") != std::string::npos);
  bomb.declared = 3; // inflates to more than it says
  refused(zip({bomb}), Status::Corrupt);
  bomb.declared = bomb.data.size() + 1;
  refused(zip({bomb}), Status::Corrupt);
  refused(zip({{"archive/other", {1, 2, 3}}}), Status::Unsupported);
  Bytes flipped = whole;
  flipped[60] ^= 1; // inside the pickle: the checksum sees it
  refused(flipped, Status::Corrupt);

  // Legacy files cut anywhere.
  const Bytes legacy = legacy_checkpoint(small_dict(), kStorage);
  for (size_t size = 0; size < legacy.size(); size += 7)
    refused(Bytes(legacy.begin(), legacy.begin() + std::ptrdiff_t(size)), Status::Corrupt);
  refused(pickle("N"), Status::Unsupported);
  refused(pickle("\x97"), Status::Unsupported);
}

/// Pickles that would grow: doubled by the memo, or a list a byte.
void test_memory() {
  rusage before{}, after{};
  getrusage(RUSAGE_SELF, &before);
  std::string lists = "(";
  lists.append(size_t(3) << 20, ']'); // a node each
  refused(legacy_checkpoint(lists + "t", kStorage), Status::TooLarge);
  std::string growth = "}(" + std::string(100000, 'N') + "uq\x01";
  for (int i = 0; i < 1000; i++) // OrderedDict made from the same large dictionary, over and over
    growth += call(global("collections", "OrderedDict"), "h\x01\x85");
  refused(legacy_checkpoint(growth, kStorage), Status::TooLarge);
  std::string marks(size_t(8) << 20, '(');
  refused(legacy_checkpoint(marks, kStorage), Status::TooLarge);
  getrusage(RUSAGE_SELF, &after);
  // The files themselves are up to 8 MiB, several times in memory while they are made.
  CHECK(after.ru_maxrss - before.ru_maxrss < (64 + 8 * 6) * 1024);
}

struct Scalar {
  const char* bytes;
  size_t size;
  Kind kind;
};

void test_pickle() {
  const auto parse = [](const std::string& body, Pickle& out) {
    static std::deque<Bytes> kept;
    kept.emplace_back(body.begin(), body.end());
    Budget budget(kept.back().size());
    size_t used = 0;
    std::string error;
    const Status status = Pickle::parse(kept.back(), budget, out, used, error);
    CHECK(status != Status::Ok || used == body.size());
    CHECK((status == Status::Ok) == error.empty());
    return status;
  };
  Pickle p;
  // Protocol 0, as Python 2 and 3 write [1, -2.5, 'a\n', u'\u20ac', None, True, 12345678901234567890L].
  CHECK(parse("(lp0\nI1\naF-2.5\naS'a\\n'\np1\naV\\u20ac\np2\naNaI01\nag1\na.", p) == Status::Ok);
  const std::vector<Value> items = p.node(p.root()).items;
  CHECK(items.size() == 7);
  if (items.size() == 7) {
    CHECK(items[0].kind == Kind::Int && items[0].integer == 1);
    CHECK(items[1].kind == Kind::Float && items[1].real == -2.5);
    CHECK(p.text(items[2]) == "a\n" && p.text(items[6]) == "a\n");
    CHECK(p.text(items[3]) == "\xe2\x82\xac");
    CHECK(items[4].kind == Kind::None && items[5].kind == Kind::Bool && items[5].truth);
  }
  CHECK(
      parse("\x80\x04\x95" + std::string(8, '\0') + "J\xff\xff\xff\xff\x94h" + std::string(1, '\0') + "\x86.",
            p) == Status::Ok);
  CHECK(p.node(p.root()).items.size() == 2 && p.node(p.root()).items[1].integer == -1);
  CHECK(parse(std::string("\x8a\x01\xfe.", 4), p) == Status::Ok && p.root().integer == -2);
  CHECK(parse("G\x40\x09\x21\xfb\x54\x44\x2d\x18.", p) == Status::Ok &&
        std::abs(p.root().real - 3.14159265358979) < 1e-12);
  // An object: its class, arguments and fields can be read.
  CHECK(parse("\x80\x02" + global("m", "C") + ")\x81}(" + text("x") + "K\x05ub.", p) == Status::Ok);
  CHECK(p.callee(p.root()) == "m.C" && p.find(p.root(), "x") && p.find(p.root(), "x")->integer == 5);
  CHECK(p.find(p.root(), "y") == nullptr);
  CHECK(parse("(im\nC\n.", p) == Status::Ok && p.callee(p.root()) == "m.C");
  CHECK(parse("\x8c\x01m\x8c\x01"
              "C\x93(K\x01K\x02t\x81.",
              p) == Status::Ok &&
        p.node(p.node(p.root()).arguments).items.size() == 2);
  // Broken ones.
  for (const char* bad : {"",
                          ".",
                          "t.",
                          "K",
                          "(K\x01",
                          "K\x01s.",
                          "}K\x01K\x02s",
                          "h\x05.",
                          "a.",
                          "]K\x01K\x02u.",
                          "I1x\n.",
                          "Sabc\n.",
                          "X\xff\xff\xff\x7f.",
                          "K\x01K\x02"
                          "b",
                          "\x80\x06.",
                          "c.",
                          "0.",
                          "1.",
                          "K\x01(0t.",
                          "R."})
    CHECK(parse(bad, p) != Status::Ok);
}

void test_words() {
  const auto read = [](const std::string& object, WordList& out) {
    std::string error;
    const Status status = read_words(pickle(object), out, error);
    CHECK((status == Status::Ok) == error.empty());
    return status;
  };
  const std::string index_to_word = "}(" + integer(1) + text("bird") + integer(0) + "U\x05<end>" + "u";
  const std::string word_to_index = "}(" + text("bird") + integer(1) + text("<end>") + integer(0) + "u";
  const std::string captions = "](](K\x01K\x01"
                               "e](K\x01K\x09"
                               "e]](K\x01"
                               "ee";
  const std::vector<std::string> words = {"<end>", "bird"};
  WordList list;
  CHECK(read("](" + captions + "]" + index_to_word + word_to_index + "e", list) == Status::Ok);
  CHECK(list.words == words);
  // The second caption has an index without a word, the third is empty.
  CHECK(list.captions == (std::vector<std::vector<uint32_t>>{{1, 1}, {1}}));
  CHECK(read(global("build_vocab", "Vocabulary") + ")\x81}(" + text("idx2word") + index_to_word +
                 text("word2idx") + word_to_index + text("idx") + "K\x02ub",
             list) == Status::Ok);
  CHECK(list.words == words && list.captions.empty());
  CHECK(read(word_to_index, list) == Status::Ok && list.words == words);
  CHECK(read("}(" + integer(0) + text("a") + integer(2) + text("b") + "u", list) == Status::Corrupt);
  CHECK(read("}(" + integer(0) + text("a") + integer(0) + text("b") + "u", list) == Status::Corrupt);
  CHECK(read("}(" + integer(0) + text("a\nb") + "u", list) == Status::Corrupt);
  CHECK(read("}", list) == Status::Unsupported);
  CHECK(read("K\x01", list) == Status::Unsupported);
}

/// `checkpoint FILE`: what is in it, for checkpoint_python.py.
int print(const char* path) {
  CheckpointPtr read;
  std::string error;
  if (Checkpoint::open(path, read, error) != Status::Ok) {
    std::fprintf(stderr, "%s\n", error.c_str());
    return 1;
  }
  for (const auto& [name, tensor] : read->tensors()) {
    std::printf("%s %s", name.c_str(), element_name(tensor.type));
    for (int64_t side : tensor.shape)
      std::printf(" %lld", static_cast<long long>(side));
    std::printf(" :");
    for (float v : to_floats(tensor))
      std::printf(" %.9g", double(v));
    std::printf("\n");
  }
  for (const auto& [name, why] : read->others())
    std::printf("# %s %s\n", name.c_str(), why.c_str());
  return 0;
}

int print_words(const char* path) {
  std::ifstream file(path, std::ios::binary);
  const Bytes bytes((std::istreambuf_iterator<char>(file)), std::istreambuf_iterator<char>());
  WordList list;
  std::string error;
  if (read_words(bytes, list, error) != Status::Ok) {
    std::fprintf(stderr, "%s\n", error.c_str());
    return 1;
  }
  for (const std::string& word : list.words)
    std::printf("%s\n", word.c_str());
  std::printf("%zu captions\n", list.captions.size());
  return 0;
}

} // namespace

int main(int argc, char** argv) {
  if (argc == 2)
    return print(argv[1]);
  if (argc == 3)
    return print_words(argv[2]);
  test_memory(); // first: it compares the process's peak
  test_pickle();
  test_formats();
  test_hostile();
  test_words();
  return check::result();
}
