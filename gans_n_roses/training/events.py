"""Event files, which TensorBoard reads."""

import os
import re
import socket
import time

import tensorflow.compat.v1 as tf

from gans_n_roses.quality.advice import meaning


class Events:
    """An event file of a folder, made when the first event is recorded.

    Written by hand, since tf.summary.FileWriter reports a full disk in another thread, or not at all. Every function
    raises OSError or tf.errors.OpError where the file cannot be written.

    Args:
      folder: Path; TensorBoard shows what is in it as one run.
      start: iterations made before; TensorBoard drops what an interrupted run recorded after them.
    """

    def __init__(self, folder, start):
        self._folder, self._start = folder, start
        self._writer = None
        self._described = set()  # tags

    def close(self):
        """Close the file, if one was made."""
        if self._writer:
            self._writer.close()

    def scalars(self, iteration, values):
        """Record tag → float."""
        self._summary(iteration, [tf.Summary.Value(tag=tag, simple_value=value) for tag, value in values.items()])

    def image(self, iteration, tag, shape, content):
        """Record a PNG.

        Args:
          iteration: int.
          tag: str.
          shape: its (height, width, …).
          content: bytes.
        """
        image = tf.Summary.Image(height=shape[0], width=shape[1], colorspace=3, encoded_image_string=content)
        self._summary(iteration, [tf.Summary.Value(tag=tag, image=image)])

    def text(self, iteration, tag, sentence):
        """Record a sentence for TensorBoard's text tab."""
        plugin = tf.SummaryMetadata(plugin_data=tf.SummaryMetadata.PluginData(plugin_name='text'))
        self._summary(iteration, [tf.Summary.Value(tag=tag, metadata=plugin,
                                                   tensor=tf.make_tensor_proto(sentence, tf.string))])

    def event(self, **content):
        """Record a tf.Event."""
        self.open()
        self._write(self._writer, **content)
        self._writer.flush()

    def open(self):
        """Make the file, if none was made yet."""
        if self._writer:
            return
        # TensorBoard reads a folder's files by name, which begins with the time, and drops the steps of one that are
        # later than the start of the next: so a resumed run's name comes last, also where the clock was set back.
        self._folder.mkdir(exist_ok=True)
        times = (re.match(r'events\.out\.tfevents\.(\d{1,12})', path.name) for path in self._folder.iterdir())
        now = max([time.time(), *(int(match[1]) + 1 for match in times if match)])
        path = self._folder / f'events.out.tfevents.{now:.6f}.{socket.gethostname()}.{os.getpid()}'
        writer = tf.io.TFRecordWriter(os.fsencode(path))
        self._write(writer, file_version='brain.Event:2')
        # Drops what an interrupted run recorded later. Iteration 0 is recorded again: its checkpoint may be older.
        start = tf.SessionLog(status=tf.SessionLog.START)
        self._write(writer, session_log=start, step=self._start + 1 if self._start else 0)
        self._writer = writer

    def _summary(self, iteration, values):
        for value in values:
            if value.tag not in self._described:  # once is enough: TensorBoard keeps what it first hears of a tag
                value.metadata.summary_description = meaning(value.tag)
                self._described.add(value.tag)
        self.event(step=iteration, summary=tf.Summary(value=values))

    @staticmethod
    def _write(writer, **content):
        writer.write(tf.Event(wall_time=time.time(), **content).SerializeToString())
