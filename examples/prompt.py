#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Type words, see the picture: every line becomes a caption of a few bytes, and the receiver's half paints it.

  examples/prompt.py                       a window; type lines, end with Ctrl-D
  examples/prompt.py --save FOLDER         pictures as FOLDER/000.png, ... instead
  examples/prompt.py --host H --port P     send the words over RTP/UDP; examples/rtp-receive --port P shows them there

Needs python3-gi and gir1.2-gstreamer-1.0, and the plugins (GST_PLUGIN_PATH, or `meson devenv -C build`)."""
import argparse
import sys
import threading

try:
    import gi

    gi.require_version("Gst", "1.0")
    from gi.repository import GLib, Gst
except (ImportError, ValueError) as reason:
    print(f"prompt.py: {reason}: apt-get install python3-gi gir1.2-gstreamer-1.0", file=sys.stderr)
    sys.exit(77)

# Not live: a live semanticdec goes on with the old picture while it paints. The size that the pictures are painted at travels in the caps of the text.
WORDS = "appsrc name=words format=time do-timestamp=true caps=text/x-raw,format=utf8,width=256,height=256,framerate=0/1"


def line(options):
    """The pipeline as a launch line."""
    if options.port:
        return f"{WORDS} ! semantictextenc name=coder ! semanticmux.caption semanticmux name=semanticmux ! rtpsemanticpay ! udpsink host={options.host} port={options.port} sync=false async=false"
    show = f"pngenc ! multifilesink location={options.save}/%03d.png sync=false" if options.save else "autovideosink sync=false"
    return f"{WORDS} ! semantictextenc name=coder ! semanticdec ! videoconvert ! {show}"


def read_lines(source, said):
    """Standard input, line by line, into the pipeline. In a thread: reading blocks."""
    for text in sys.stdin:
        text = text.strip()
        if text:
            said[0] = Gst.Buffer.new_wrapped(text.encode())
            source.emit("push-buffer", said[0].copy())
    source.emit("end-of-stream")


def say_again(source, said):
    """Over a network: for those who join, and as a picture's time for receivers that paint while they show the old one."""
    if said[0]:
        source.emit("push-buffer", said[0].copy())
    return GLib.SOURCE_CONTINUE


def tell_size(_pad, info, told):
    """What new words cost."""
    unit = info.get_buffer()
    coded = unit.extract_dup(0, unit.get_size())
    if coded != told[0]:
        print(f"  {len(coded)} bytes", flush=True)
    told[0] = coded
    return Gst.PadProbeReturn.OK


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--save", metavar="FOLDER")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int)
    options = parser.parse_args()

    Gst.init(None)
    try:
        pipeline = Gst.parse_launch(line(options))
    except GLib.Error as error:
        print(f"prompt.py: {error.message}", file=sys.stderr)
        return 1
    pipeline.get_by_name("coder").get_static_pad("src").add_probe(Gst.PadProbeType.BUFFER, tell_size, [None])

    loop = GLib.MainLoop()
    status = [0]

    def on_message(_bus, message):
        if message.type == Gst.MessageType.ERROR:
            error, debug = message.parse_error()
            print(f"prompt.py: {error.message}\n{debug or ''}", file=sys.stderr)
            status[0] = 1
        if message.type in (Gst.MessageType.ERROR, Gst.MessageType.EOS):
            loop.quit()

    bus = pipeline.get_bus()
    bus.add_signal_watch()
    bus.connect("message", on_message)
    pipeline.set_state(Gst.State.PLAYING)
    words, said = pipeline.get_by_name("words"), [None]
    if options.port:
        GLib.timeout_add(500, say_again, words, said)
    threading.Thread(target=read_lines, args=(words, said), daemon=True).start()
    if sys.stdin.isatty():
        print("Describe a bird: for example  this bird is blue with white and has a very short beak")
    try:
        loop.run()
    except KeyboardInterrupt:
        pass
    pipeline.set_state(Gst.State.NULL)
    return status[0]


sys.exit(main())
