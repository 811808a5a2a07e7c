import threading
import time

from data_prep.embedded import dataset_folder


def test_second_process_waits_and_finds_the_data_set_made(tmp_path):
    lock, order = tmp_path / ".demo.lock", []

    def second():
        with dataset_folder.alone(lock, lambda line: order.append("waits")):
            order.append("second")

    thread = threading.Thread(target=second)
    with dataset_folder.alone(lock, order.append):
        thread.start()
        while not order:
            time.sleep(0.01)
        order.append("first")
    thread.join(timeout=30)
    assert order == ["waits", "first", "second"]
    assert not lock.exists()
