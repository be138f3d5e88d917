def program() -> bytes:
    # allow everything (placeholder while the rest is put together)
    import struct

    return struct.pack("<HBBI", 0x06, 0, 0, 0x7FFF0000)
