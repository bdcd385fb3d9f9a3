// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include <gst/gst.h>
#include <gst/video/video.h>

#include <memory>

/// RAII for GStreamer's C objects: stateless deleters, the size of one pointer.
namespace gsem {

template <class T> struct Unref;
template <> struct Unref<GstBuffer> { void operator() (GstBuffer* b) const { gst_buffer_unref (b); } };
template <> struct Unref<GstCaps> { void operator() (GstCaps* c) const { gst_caps_unref (c); } };
template <> struct Unref<GstEvent> { void operator() (GstEvent* e) const { gst_event_unref (e); } };
template <> struct Unref<GstQuery> { void operator() (GstQuery* q) const { gst_query_unref (q); } };
template <> struct Unref<GstMessage> { void operator() (GstMessage* m) const { gst_message_unref (m); } };
template <> struct Unref<GstSample> { void operator() (GstSample* s) const { gst_sample_unref (s); } };
template <> struct Unref<GstStructure> { void operator() (GstStructure* s) const { gst_structure_free (s); } };
template <> struct Unref<GstTagList> { void operator() (GstTagList* t) const { gst_tag_list_unref (t); } };
template <> struct Unref<GstVideoCodecState> { void operator() (GstVideoCodecState* s) const { gst_video_codec_state_unref (s); } };
template <> struct Unref<GstPad> { void operator() (GstPad* o) const { gst_object_unref (o); } };
template <> struct Unref<GstElement> { void operator() (GstElement* o) const { gst_object_unref (o); } };
template <> struct Unref<GstBus> { void operator() (GstBus* o) const { gst_object_unref (o); } };
template <> struct Unref<GstClock> { void operator() (GstClock* o) const { gst_object_unref (o); } };
template <> struct Unref<gchar> { void operator() (gchar* s) const { g_free (s); } };

/// Owns one reference. `gsem::Ptr<GstCaps> caps (gst_caps_new_any ());`
template <class T> using Ptr = std::unique_ptr<T, Unref<T>>;

/// Maps a whole buffer for the life of the object. Check with `if (map)`.
class BufferMap {
public:
  BufferMap (GstBuffer* buffer, GstMapFlags flags) : buffer_ (buffer), ok_ (gst_buffer_map (buffer, &info_, flags)) {}
  ~BufferMap () { if (ok_) gst_buffer_unmap (buffer_, &info_); }
  BufferMap (const BufferMap&) = delete;
  BufferMap& operator= (const BufferMap&) = delete;
  explicit operator bool () const { return ok_; }
  guint8* data () const { return info_.data; }
  gsize size () const { return info_.size; }

private:
  GstBuffer* buffer_;
  GstMapInfo info_ = GST_MAP_INFO_INIT;
  bool ok_;
};

/// Maps a video frame for the life of the object; strides are the frame's own.
class VideoMap {
public:
  VideoMap (const GstVideoInfo* info, GstBuffer* buffer, GstMapFlags flags) : ok_ (gst_video_frame_map (&frame_, info, buffer, flags)) {}
  ~VideoMap () { if (ok_) gst_video_frame_unmap (&frame_); }
  VideoMap (const VideoMap&) = delete;
  VideoMap& operator= (const VideoMap&) = delete;
  explicit operator bool () const { return ok_; }
  GstVideoFrame* frame () { return &frame_; }
  guint8* data () { return static_cast<guint8*> (GST_VIDEO_FRAME_PLANE_DATA (&frame_, 0)); }
  int stride () { return GST_VIDEO_FRAME_PLANE_STRIDE (&frame_, 0); }
  int width () { return GST_VIDEO_FRAME_WIDTH (&frame_); }
  int height () { return GST_VIDEO_FRAME_HEIGHT (&frame_); }

private:
  GstVideoFrame frame_{};
  bool ok_;
};

/// Holds the object lock. Never post a message or call out while it is held.
class ObjectLock {
public:
  explicit ObjectLock (gpointer object) : object_ (object) { GST_OBJECT_LOCK (object_); }
  ~ObjectLock () { GST_OBJECT_UNLOCK (object_); }
  ObjectLock (const ObjectLock&) = delete;
  ObjectLock& operator= (const ObjectLock&) = delete;

private:
  gpointer object_;
};

} // namespace gsem
