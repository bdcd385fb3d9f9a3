// SPDX-License-Identifier: LGPL-2.1-or-later
// When live elements give a picture up: their deadlines on a clock that this test sets, and a simulation of
// decoders and encoders that are slower than the pictures come. Frames take ten seconds, so that the time the
// test itself takes does not count.
#include "plugins/semanticcodec/join_pacing.hpp"
#include "tests/element/leaks.hpp"

#include "gst/semantic/ptr.hpp"

#include <gst/check/gsttestclock.h>

#include <algorithm>
#include <vector>

using namespace gsem;
using namespace gsem::codec;

namespace {

constexpr GstClockTime kPeriod = 10 * GST_SECOND;

/// An element on a clock of the test's own, which stands still: its base time moves instead, so that the
/// running time may be set to anything.
class Timed {
public:
  Timed() : element_(GST_ELEMENT(gst_object_ref_sink(gst_element_factory_make("identity", nullptr)))) {
    clock_.reset(gst_test_clock_new_with_start_time(kStart));
    gst_element_set_clock(element_.get(), clock_.get());
  }
  void set(GstClockTime running_time) { gst_element_set_base_time(element_.get(), kStart - running_time); }
  GstElement* element() { return element_.get(); }

private:
  static constexpr GstClockTime kStart = GstClockTime(1) << 60;
  Ptr<GstElement> element_;
  Ptr<GstClock> clock_;
};

/// How long from now a frame may wait for its turn; negative: it is too late.
double seconds_left(SteadyTime deadline) {
  return std::chrono::duration<double>(deadline - std::chrono::steady_clock::now()).count();
}

bool about(double value, double want) {
  return std::abs(value - want) < 2;
}

constexpr int kFrames = 400;

/// One layer's element: each frame's work takes its turn on the one inference thread.
struct Stage {
  Stage(double cost, bool structure) : cost(cost), structure(structure) {}

  const double cost; ///< periods that the inference of a frame takes
  const bool structure;
  CostMeter meter;
  StartDeadline deadline;
  int number = 0;                           ///< of the frame that is next
  GstClockTime done = 0;                    ///< when it was free for that
  GstClockTime ready = GST_CLOCK_TIME_NONE; ///< when that asked for its turn; NONE: not there yet
  GstClockTime last_start = 0;              ///< it is given up then
  int made = 0, shed = 0;
  GstClockTime most_late = 0; ///< of the last quarter

  bool ended() const { return number == kFrames; }
  GstClockTime due() const { return GstClockTime(number) * kPeriod; }

  /// The next frame comes to the element. `total`: the pipeline's latency, `upstream`: of what is before.
  void take(Timed& timed, GstClockTime arrival, GstClockTime upstream, GstClockTime total) {
    ready = std::max(arrival, done);
    timed.set(ready);
    SpareTime spare;
    GstEvent* event = gst_event_new_latency(total);
    spare.handle_event(event);
    gst_event_unref(event);
    const double left =
        seconds_left(deadline.at(timed.element(), due(), upstream, meter, kPeriod,
                                 structure ? spare.of(upstream + meter.reported(), kPeriod) : 0));
    last_start = left > 0 ? ready + GstClockTime(left * GST_SECOND) : ready;
    if (left < 0)
      end(ready, false);
  }
  void end(GstClockTime at, bool success) {
    if (success)
      meter.add(at - ready);
    (success ? made : shed)++;
    done = at;
    ready = GST_CLOCK_TIME_NONE;
    if (number >= kFrames * 3 / 4)
      most_late = std::max(most_late, done > due() ? done - due() : 0);
    number++;
  }
};

/// The inference thread: serves those that wait, the structure first.
struct Machine {
  GstClockTime free = 0;

  void serve(Stage& structure, Stage& signal) {
    const GstClockTime now = std::max(free, std::min(structure.ready, signal.ready));
    Stage& stage = structure.ready <= now ? structure : signal;
    if (now > stage.last_start) {
      stage.end(stage.last_start, false);
      return;
    }
    free = now + GstClockTime(stage.cost * double(kPeriod));
    stage.end(free, true);
  }
};

/// structdec, then signaldec; one picture waits between them.
struct Decoders {
  Stage structure, signal;

  Decoders(double structure_cost, double signal_cost)
      : structure(structure_cost, true), signal(signal_cost, false) {
    Timed timed;
    Machine machine;
    std::vector<GstClockTime> below, taken(kFrames);
    while (!signal.ended()) {
      const GstClockTime total = structure.meter.reported() + signal.meter.reported();
      const int a = structure.number, b = signal.number;
      const bool room = a < b + 2 || (a == b + 2 && signal.ready != GST_CLOCK_TIME_NONE);
      if (structure.ready == GST_CLOCK_TIME_NONE && !structure.ended() && room) {
        GstClockTime from = structure.due();
        if (a >= 2)
          from = std::max(from, taken[size_t(a - 2)]);
        structure.take(timed, from, 0, total);
      } else if (signal.ready == GST_CLOCK_TIME_NONE && b < int(below.size())) {
        taken[size_t(b)] = std::max(below[size_t(b)], signal.done);
        signal.take(timed, below[size_t(b)], structure.meter.reported(), total);
      } else {
        machine.serve(structure, signal);
      }
      if (structure.number > int(below.size()))
        below.push_back(structure.done);
    }
  }
};

/// structenc and signalenc beside each other.
struct Encoders {
  Stage structure, signal;

  Encoders(double structure_cost, double signal_cost)
      : structure(structure_cost, true), signal(signal_cost, false) {
    Timed timed;
    Machine machine;
    while (!structure.ended() || !signal.ended()) {
      const GstClockTime total = std::max(structure.meter.reported(), signal.meter.reported());
      bool took = false;
      for (Stage* stage : {&signal, &structure})
        if (!stage->ended() && stage->ready == GST_CLOCK_TIME_NONE) {
          stage->take(timed, stage->due(), 0, total);
          took = true;
        }
      if (!took)
        machine.serve(structure, signal);
    }
  }
};

template <class Chain>
void check(const char* name, double structure, double signal, double structure_shed, double signal_shed_min,
           double signal_shed_max) {
  Chain c(structure, signal);
  g_print("%s %g + %g: structure %d made, %d shed, late %.1f; signal %d made, %d shed, late %.1f\n", name,
          structure, signal, c.structure.made, c.structure.shed, double(c.structure.most_late) / kPeriod,
          c.signal.made, c.signal.shed, double(c.signal.most_late) / kPeriod);
  fail_unless(c.structure.shed <= structure_shed * kFrames, "%s %g + %g: structure shed %d times", name,
              structure, signal, c.structure.shed);
  fail_unless(c.signal.shed >= signal_shed_min * kFrames && c.signal.shed <= signal_shed_max * kFrames,
              "%s %g + %g: signal shed %d times", name, structure, signal, c.signal.shed);
  // However long it goes on, nothing piles up.
  const GstClockTime bound = GstClockTime((2 * structure + 2 * signal + 4) * double(kPeriod));
  fail_unless(c.structure.most_late < bound && c.signal.most_late < bound,
              "%s %g + %g: late by %g and %g periods", name, structure, signal,
              double(c.structure.most_late) / kPeriod, double(c.signal.most_late) / kPeriod);
}

} // namespace

GST_START_TEST(test_deadline) {
  Timed timed;
  CostMeter cost;
  StartDeadline deadline;
  timed.set(100 * GST_SECOND);
  // Half a frame.
  fail_unless(about(seconds_left(deadline.at(timed.element(), 100 * GST_SECOND, 0, cost, kPeriod)), 5));
  timed.set(112 * GST_SECOND);
  fail_unless(about(seconds_left(deadline.at(timed.element(), 110 * GST_SECOND, 0, cost, kPeriod)), 3));
  timed.set(130 * GST_SECOND);
  fail_unless(about(seconds_left(deadline.at(timed.element(), 120 * GST_SECOND, 0, cost, kPeriod)), -5));
  // What comes before may take its time; what is given up last has more.
  fail_unless(
      about(seconds_left(deadline.at(timed.element(), 120 * GST_SECOND, 4 * GST_SECOND, cost, kPeriod)), -1));
  fail_unless(about(
      seconds_left(deadline.at(timed.element(), 120 * GST_SECOND, 0, cost, kPeriod, 7 * GST_SECOND)), 2));
  // A source that is late by the same all the time is not late.
  deadline.reset();
  for (GstClockTime frame = 14; frame < 17; frame++) {
    timed.set(frame * kPeriod + 60 * GST_SECOND);
    fail_unless(about(seconds_left(deadline.at(timed.element(), frame * kPeriod, 0, cost, kPeriod)), 5));
  }
}
GST_END_TEST

GST_START_TEST(test_no_clock_no_deadline) {
  Ptr<GstElement> element(GST_ELEMENT(gst_object_ref_sink(gst_element_factory_make("identity", nullptr))));
  CostMeter cost;
  StartDeadline deadline;
  fail_unless(deadline.at(element.get(), 0, 0, cost, kPeriod) == SteadyTime::max());
  Timed timed;
  fail_unless(deadline.at(timed.element(), GST_CLOCK_TIME_NONE, 0, cost, kPeriod) == SteadyTime::max());
}
GST_END_TEST

/// All fits; then the signal goes, in part and altogether; then the structure too, in part.
GST_START_TEST(test_slow_decoders) {
  check<Decoders>("decoders", 0.3, 0.5, 0, 0, 0);
  check<Decoders>("decoders", 0.3, 0.9, 0, 0.05, 0.5);
  check<Decoders>("decoders", 0.6, 0.8, 0, 0.2, 0.8);
  check<Decoders>("decoders", 0.5, 1.6, 0.02, 0.3, 0.95);
  check<Decoders>("decoders", 0.2, 3.0, 0.05, 0.5, 0.95);
  check<Decoders>("decoders", 0.95, 0.5, 0.02, 0.5, 1);
  check<Decoders>("decoders", 1.5, 0.5, 0.5, 0.8, 1);
}
GST_END_TEST

GST_START_TEST(test_slow_encoders) {
  check<Encoders>("encoders", 0.4, 0.5, 0, 0, 0);
  check<Encoders>("encoders", 0.4, 0.7, 0, 0.05, 0.8);
  check<Encoders>("encoders", 0.9, 0.4, 0.02, 0.3, 1);
  check<Encoders>("encoders", 0.3, 1.2, 0.02, 0.3, 1);
  check<Encoders>("encoders", 1.4, 0.5, 0.6, 0.3, 1);
}
GST_END_TEST

/// What signaldec saves by leaving out its work, structdec below need not save too.
GST_START_TEST(test_qos_goes_from_the_top) {
  Ptr<GstElement> mux(GST_ELEMENT(gst_object_ref_sink(gst_element_factory_make("semanticmux", nullptr))));
  auto agg = GST_AGGREGATOR(mux.get());
  JoinPacing signal(JoinPacing::Layer::Signal), structure(JoinPacing::Layer::Structure);
  signal.add_cost(agg, 30 * GST_MSECOND);
  structure.add_cost(agg, 20 * GST_MSECOND);
  auto shed = [&](GstClockTimeDiff late) {
    GstEvent* event = gst_event_new_qos(GST_QOS_TYPE_UNDERFLOW, 1.5, late, GST_SECOND);
    event = structure.handle_qos(signal.handle_qos(event));
    gst_event_unref(event);
    GstSemanticJoinSet set{GST_SECOND + GST_MSECOND, 40 * GST_MSECOND, {}};
    return std::pair(signal.start_by(agg, set) == SteadyTime::min(),
                     structure.start_by(agg, set) == SteadyTime::min());
  };
  fail_unless(shed(-GST_MSECOND) == std::pair(false, false));
  fail_unless(shed(20 * GST_MSECOND) == std::pair(true, false));
  fail_unless(shed(50 * GST_MSECOND) == std::pair(true, true));
  fail_unless(shed(-GST_MSECOND) == std::pair(false, false));
}
GST_END_TEST

static void fill(TCase* tc) {
  tcase_add_test(tc, test_deadline);
  tcase_add_test(tc, test_no_clock_no_deadline);
  tcase_add_test(tc, test_slow_decoders);
  tcase_add_test(tc, test_slow_encoders);
  tcase_add_test(tc, test_qos_goes_from_the_top);
}

int main(int argc, char** argv) {
  return leaks::run(argc, argv, "pacing", fill);
}
