"""A last_checkpoint file leads to the checkpoint that it names, wherever the work dir lies now."""

from labelenc_mm.command_line.last_checkpoint import follow_record


def test_a_record_is_followed_once_it_is_there(tmp_path):
    record, checkpoint = tmp_path / 'last_checkpoint', str(tmp_path / 'epoch_3.pth')
    assert follow_record(record) == str(record)
    record.touch()  # a training was killed while it wrote
    assert follow_record(record) == str(record)
    record.write_text(f'{checkpoint}\n')
    assert follow_record(record) == follow_record(str(record)) == checkpoint
    assert follow_record(checkpoint) == checkpoint  # not opened: it does not exist
    (tmp_path / 'moved').mkdir()
    moved = tmp_path / 'moved' / 'last_checkpoint'
    moved.write_text(checkpoint)
    assert follow_record(moved) == checkpoint  # neither is there
    (moved.parent / 'epoch_3.pth').touch()
    assert follow_record(moved) == str(moved.parent / 'epoch_3.pth')
    url = 'https://models.example/last_checkpoint/epoch_3.pth'
    assert follow_record(url) == url
