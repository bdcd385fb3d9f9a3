# SPDX-License-Identifier: LGPL-2.1-or-later
"""One end of a call of tests/rtp/bench/netns, which starts it: needs python3-gi, so it runs in Debian's own Python.
Usage: netns_end.py send|receive < SPEC     a line of JSON: line (as for gst-launch-1.0), rtpbin (its properties), retransmit, burst (see Burst),
caps (by payload type)

Prints "ready", then runs until its standard input ends, or what it sends does, and prints what it has seen as a line of JSON. Elements of the line
by their names: reports-out, reports-in; source, pay, offered, netsim when sending; arrived, depay, show when receiving. The rtpbin comes between."""
import json
import random
import signal
import sys
import threading
import time

import gi

gi.require_version("Gst", "1.0")
from gi.repository import GLib, Gst  # noqa: E402

Gst.init(None)
IP_UDP = 28
RTX = Gst.Structure.from_string("application/x-rtp-pt-map,96=(uint)97")[0]


def values(structure):
    """A GstStructure as a dict, nested ones too."""
    found = {}
    for i in range(structure.n_fields()):
        name = structure.nth_field_name(i)
        value = structure.get_value(name)
        found[name] = values(value) if isinstance(value, Gst.Structure) else value
    return found


def retransmitter(kind):
    """What rtpbin asks for: rtprtxsend or rtprtxreceive in a bin with pads of the session's number."""
    def make(_, session):
        element = Gst.ElementFactory.make(kind)
        element.set_property("payload-type-map", RTX)
        around = Gst.Bin()
        around.add(element)
        for pad in ("src", "sink"):
            around.add_pad(Gst.GhostPad.new(f"{pad}_{session}", element.get_static_pad(pad)))
        return around
    return make


class Burst:
    """Gilbert's losses out of netsim, which has independent ones only: after a packet the next so many are dropped."""

    def __init__(self, netsim, begin, length):
        self.netsim, self.begin, self.length, self.left = netsim, begin, length, 0

    def packet(self):
        if self.left:
            self.left -= 1
        elif random.random() < self.begin:
            lost = 1
            while random.random() > 1 / self.length:
                lost += 1
            self.netsim.set_property("drop-packets", lost)
            self.left = lost - 1


class End:
    def __init__(self, kind, spec):
        self.pipeline = Gst.parse_launch(spec["line"])
        self.loop = GLib.MainLoop()
        self.error = None
        self.packets = self.bytes = 0
        self.times = []
        # Not in the line: it asks for what retransmits when it gets its first pad.
        rtp = self.rtp = Gst.ElementFactory.make("rtpbin")
        for name, value in spec["rtpbin"].items():
            Gst.util_set_object_arg(rtp, name, value)
        rtp.connect("request-pt-map", lambda _, session, number: Gst.Caps.from_string(spec["caps"][str(number)]))
        if spec["retransmit"]:
            rtp.connect(*(("request-aux-sender", retransmitter("rtprtxsend")) if kind == "send" else
                          ("request-aux-receiver", retransmitter("rtprtxreceive"))))
        self.pipeline.add(rtp)
        self.link_media()
        rtp.link_pads("send_rtcp_src_0", self.pipeline.get_by_name("reports-out"), "sink")
        self.pipeline.get_by_name("reports-in").link_pads("src", rtp, "recv_rtcp_sink_0")
        bus = self.pipeline.get_bus()
        bus.add_signal_watch()
        bus.connect("message::error", self.on_error)

    def watch(self, name, pad, mask, see):
        element = self.pipeline.get_by_name(name)

        def probe(_, info):
            dropped = see(info) == Gst.PadProbeReturn.DROP
            return Gst.PadProbeReturn.DROP if dropped else Gst.PadProbeReturn.OK
        element.get_static_pad(pad).add_probe(mask, probe)

    def count(self, info):
        self.packets += 1
        self.bytes += info.get_buffer().get_size() + IP_UDP

    def on_error(self, _, message):
        self.error = message.parse_error()[0].message
        self.loop.quit()

    def stats(self):
        """Of our own elements, by the name of their kind."""
        found = {}

        def look(element):
            kind = element.get_factory().get_name() if element.get_factory() else ""
            if kind in ("semanticmux", "structenc", "signalenc", "rtpsemanticdepay", "structdec", "signaldec"):
                found[kind] = values(element.get_property("stats"))
        self.pipeline.iterate_recurse().foreach(look)
        return found

    def wait_for_end_of_input(self):
        sys.stdin.read()
        self.loop.quit()

    def run(self):
        if self.pipeline.set_state(Gst.State.PLAYING) == Gst.StateChangeReturn.FAILURE:
            sys.exit(f"the line does not start: {self.error}")
        print("ready", flush=True)
        threading.Thread(target=self.wait_for_end_of_input, daemon=True).start()
        self.loop.run()
        seen = dict(self.seen(), packets=self.packets, bytes=self.bytes, stats=self.stats(), error=self.error)
        self.pipeline.set_state(Gst.State.NULL)
        print(json.dumps(seen), flush=True)


class Sender(End):
    def __init__(self, spec):
        super().__init__("send", spec)
        self.watch("source", "src", Gst.PadProbeType.BUFFER, lambda _: self.times.append(time.monotonic()))
        self.watch("pay", "src", Gst.PadProbeType.EVENT_DOWNSTREAM, self.on_event)
        self.watch("offered", "sink", Gst.PadProbeType.BUFFER, self.count)
        if spec["burst"]:
            burst = Burst(self.pipeline.get_by_name("netsim"), *spec["burst"])
            self.watch("netsim", "sink", Gst.PadProbeType.BUFFER, lambda _: burst.packet())

    def link_media(self):
        self.pipeline.get_by_name("pay").link_pads("src", self.rtp, "send_rtp_sink_0")
        self.rtp.link_pads("send_rtp_src_0", self.pipeline.get_by_name("offered"), "sink")

    def on_event(self, info):
        """The end must not overtake what netsim holds back: it stops here, and what was sent has a second to get through."""
        if info.get_event().type != Gst.EventType.EOS:
            return None
        GLib.timeout_add(1000, self.loop.quit)
        return Gst.PadProbeReturn.DROP

    def seen(self):
        return {"times": self.times}


class Receiver(End):
    def __init__(self, spec):
        super().__init__("receive", spec)
        self.units, self.pictures, self.last = set(), [], None
        self.layers = self.pipeline.get_by_name("depay").get_factory().get_name() == "rtpsemanticdepay"
        self.watch("arrived", "sink", Gst.PadProbeType.BUFFER, self.count)
        self.watch("depay", "src", Gst.PadProbeType.BUFFER, lambda info: self.units.add(info.get_buffer().pts))
        self.pipeline.get_by_name("show").connect("handoff", self.on_picture)

    def link_media(self):
        depay = self.pipeline.get_by_name("depay")
        self.rtp.connect("pad-added", lambda _, pad: pad.name.startswith("recv_rtp_src_0") and pad.link(depay.get_static_pad("sink")))
        self.pipeline.get_by_name("arrived").link_pads("src", self.rtp, "recv_rtp_sink_0")

    def on_picture(self, _, picture, pad):
        """New is, of layers, a picture for which something came (a cross-fade changes pixels without); else one with other pixels."""
        now = time.monotonic()
        if self.layers:
            new = picture.pts in self.units
        else:
            pixels = hash(picture.extract_dup(0, picture.get_size()))
            new, self.last = pixels != self.last, pixels
        self.pictures.append((now, picture.pts, new))

    def seen(self):
        return {"pictures": self.pictures}


signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the one that started it
SPEC = json.loads(sys.stdin.readline())
(Sender if sys.argv[1] == "send" else Receiver)(SPEC).run()
