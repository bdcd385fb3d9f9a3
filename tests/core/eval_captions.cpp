// SPDX-License-Identifier: LGPL-2.1-or-later
// Captions rated: colours and parts found by hand, BLEU and CIDEr-D against coco-caption's own numbers.
#include "models/train/caption_quality.hpp"
#include "tests/core/check.hpp"

#include <cmath>

using namespace gsem::train;

namespace {

using Pairs = std::set<std::pair<std::string, std::string>>;

Pairs pairs(const char* text) {
  return attributes_of(split_words(text));
}

void finds_colours_of_parts() {
  CHECK((pairs("this bird has a brown crown, a white belly and a brown back") ==
         Pairs{{"brown", "crown"}, {"white", "belly"}, {"brown", "back"}}));
  CHECK((pairs("A bird with a white breast and belly and black wings.") ==
         Pairs{{"white", "breast"}, {"white", "belly"}, {"black", "wing"}}));
  CHECK(
      (pairs("its belly is white and its wings are brown") == Pairs{{"white", "belly"}, {"brown", "wing"}}));
  CHECK((pairs("this bird has wings that are black and white and has a red head") ==
         Pairs{{"black", "wing"}, {"white", "wing"}, {"red", "crown"}}));
  CHECK((pairs("the bird has a long curved black bill") == Pairs{{"black", "bill"}}));
  CHECK(pairs("this bird is blue").empty());
  CHECK(pairs("").empty());
}

void splits_words() {
  CHECK((split_words("A Red-headed  bird!") == TextWords{"a", "red", "headed", "bird"}));
  CHECK(split_words(" ,.").empty());
}

void rates_agreement() {
  const TextWords red = split_words("a red head"), blue = split_words("a blue head and a white belly");
  // Two of three colours said are somebody's; of the one that three people name, it is said.
  const auto q = rate_captions({blue}, {{split_words("a blue head"), split_words("blue head"),
                                         split_words("its head is blue"), split_words("a white wing")}});
  CHECK(q.colours.precision == 1 && q.colours.recall == 1);
  CHECK(q.attributes.precision == 0.5 && q.attributes.recall == 1);
  const auto none = rate_captions({red}, {{blue, blue, blue}});
  CHECK(none.colours.precision == 0 && none.colours.recall == 0 && none.attributes.recall == 0);
  const auto bleu = [](const char* said, const std::vector<TextWords>& people) {
    return rate_captions({split_words(said)}, {people}).bleu4;
  };
  CHECK(std::abs(bleu("a b c d e", {split_words("x x"), split_words("a b c d e")}) - 1) < 1e-12);
  // Papineni et al.: clipped unigram precision 2/7; no bigram matches, so BLEU is 0.
  CHECK(bleu("the the the the the the the", {split_words("the cat is on the mat")}) == 0);
  // Half as long as its reference, all n-grams right: the brevity penalty exp (1 - 10/5) alone.
  CHECK(std::abs(bleu("a b c d e", {split_words("a b c d e f g h i j")}) - std::exp(-1)) < 1e-12);
  CHECK(rate_captions({}, {}).pictures == 0);
}

/// pycocoevalcap 1.2 (the COCO caption evaluation's code) on the same captions.
void equals_coco_caption() {
  std::vector<TextWords> said;
  for (const char* t : {"this bird has a red head and a white belly",
                        "a small bird with brown wings and a short bill", "this bird is blue"})
    said.push_back(split_words(t));
  std::vector<std::vector<TextWords>> references{
      {split_words("this bird has a white belly and a red crown"),
       split_words("the bird has a red head with a black bill")},
      {split_words("a small brown bird with a short pointed bill"),
       split_words("this small bird has brown wings and a white breast")},
      {split_words("this bird is blue with black wings"),
       split_words("a bright blue bird with a tiny beak")}};
  const auto q = rate_captions(said, references);
  CHECK(std::abs(q.cider_d - 3.7393304787760258) < 1e-6);
  CHECK(std::abs(q.bleu4 - 0.5425486406739007) < 1e-6);
  CHECK(q.distinct == 1 && std::abs(q.words - 8) < 1e-12);
}

} // namespace

int main() {
  finds_colours_of_parts();
  splits_words();
  rates_agreement();
  equals_coco_caption();
  return check::result();
}
