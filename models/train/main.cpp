// SPDX-License-Identifier: LGPL-2.1-or-later
#include "models/train/trainer.hpp"

#include <CLI/CLI.hpp>

#include <cstdio>

int main(int argc, char** argv) {
  gsem::train::Settings s;
  CLI::App app{"Trains one network of a gst-semantic profile. Run it again with the same --out to go on "
               "where it stopped."};
  app.add_option("net", s.net, "Network")->required()->check(CLI::IsMember(gsem::train::recipe_names()));
  app.add_option("--data", s.data, "Data folders (docs/training.md has the layouts)")
      ->required()
      ->check(CLI::ExistingDirectory);
  app.add_option("--profile", s.profile,
                 "Folder with the networks that are not trained now: ROLE.safetensors, vocab.txt")
      ->required()
      ->check(CLI::ExistingDirectory);
  app.add_option("--teachers", s.teachers, "Folder that fetch-teachers wrote")->check(CLI::ExistingDirectory);
  app.add_option("--init", s.init,
                 "Weights to start from: exported ones; reference-captioner, -damsm, -edges: torchvision's "
                 "resnet152, inception_v3, vgg16 (.pth or .safetensors)")
      ->check(CLI::ExistingFile);
  app.add_option("--perceptual-weights", s.perceptual_weights,
                 "reference-structure: weights of DISTS (the loss) and LPIPS (reported), as published: "
                 "torchvision's vgg16 or alexnet, DISTS' alpha and beta, LPIPS' lin0 to lin4")
      ->check(CLI::ExistingFile);
  app.add_option(
         "--stages", s.stages,
         "reference-structure, reference-signal: folder with the lower layers' pictures (docs/training.md)")
      ->check(CLI::ExistingDirectory);
  app.add_option("--out", s.out, "Folder for checkpoints, caches, NET.csv and NET.png")
      ->capture_default_str();
  app.add_option("--export", s.export_file,
                 "Write the finished weights here, for gst-semantic-pack, those of published networks for "
                 "gst-semantic-import (reference-damsm: a "
                 "folder)");
  app.add_option("--steps", s.steps,
                 "Length of the run in steps (default: the recipe's, when --minutes is not given either)")
      ->check(CLI::PositiveNumber);
  app.add_option("--minutes", s.minutes, "Length of the run in minutes, restarts included")
      ->check(CLI::PositiveNumber);
  app.add_option("--batch", s.batch, "Pictures a step (default: the recipe's)")->check(CLI::Range(1, 4096));
  app.add_option("--rate", s.rate, "Peak learning rate (default: the recipe's)")->check(CLI::PositiveNumber);
  app.add_option("--threads", s.threads, "CPU threads")->capture_default_str()->check(CLI::Range(1, 256));
  app.add_option("--seed", s.seed, "Random seed")->capture_default_str();
  app.add_option("--bf16", s.bf16, "bfloat16 arithmetic; auto: where the CPU has it in hardware")
      ->capture_default_str()
      ->check(CLI::IsMember({"auto", "on", "off"}));
  app.add_option("--limit", s.limit, "At most so many pictures of each kind (0: all)")->capture_default_str();
  app.add_flag(
      "--sides", s.sides,
      "signal: with the picture and the map of the layers below (needs structure and edges in --profile)");
  app.add_flag("--reward", s.reward,
               "captioner: self-critical training on rewards (with --init; needs text in --profile)");
  app.add_option("--width", s.width, "reference-*: width of the network as a share of the published")
      ->capture_default_str()
      ->check(CLI::Range(0.01, 1.0));
  app.add_option("--lambda", s.lambda, "reference-signal: the rate (published: 1, 3, 6, 9)")
      ->capture_default_str()
      ->check(CLI::Range(0, 12));
  app.add_option("--checkpoint-seconds", s.checkpoint_seconds, "Seconds between checkpoints")
      ->capture_default_str();
  app.add_option("--checkpoint-steps", s.checkpoint_steps, "Also a checkpoint every so many steps (0: no)")
      ->capture_default_str();
  app.add_option("--sheet-seconds", s.sheet_seconds, "Seconds between picture logs")->capture_default_str();
  app.add_option("--log-steps", s.log_steps, "Steps averaged in a row of NET.csv")->capture_default_str();
  app.add_option("--cache-mb", s.cache_megabytes, "Decoded pictures kept in memory")->capture_default_str();
  CLI11_PARSE(app, argc, argv);
  try {
    return int(gsem::train::train(s));
  } catch (const std::exception& e) {
    std::fprintf(stderr, "gst-semantic-train: %s\n", e.what());
    return 1;
  }
}
