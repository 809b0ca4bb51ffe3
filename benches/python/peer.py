"""Python's multiprocessing and loky as contenders: measures what it is asked for, one line of JSON for each line of JSON.

A request names the library, the work, the number of items and the number of workers. The first one prepares the work:
its pool is started, its data made. The answer holds the sample: seconds, bytes or a count; or the error, in words.
"""

import array
import json
import math
import multiprocessing
import os
import random
import sys
import time

from functions import identity


def check(holds):
    if not holds:
        raise ValueError("gave a wrong result")


def timed(run, units=1):
    """A sampler: the time of one unit. What `run` returns checks its result, outside the measured time."""

    def sample():
        start = time.perf_counter()
        verify = run()
        seconds = time.perf_counter() - start
        check(verify())
        return seconds / units

    return sample


class Multiprocessing:
    """A pool of `multiprocessing`, started by fork."""

    def __init__(self, workers):
        self.pool = multiprocessing.Pool(workers)

    def submit(self, function, argument):
        """Returns what waits for the result."""
        return self.pool.apply_async(function, (argument,)).get

    def map(self, function, items):
        return self.pool.map(function, items)

    def end(self):
        self.pool.terminate()
        self.pool.join()


class Loky:
    """An executor of loky's, whose workers do not end while they are idle."""

    def __init__(self, workers):
        import loky

        self.workers = workers
        self.pool = loky.ProcessPoolExecutor(max_workers=workers)

    def submit(self, function, argument):
        """Returns what waits for the result."""
        return self.pool.submit(function, argument).result

    def map(self, function, items):
        # Left to itself, loky sends each item alone. These are the chunks that multiprocessing makes.
        size = max(1, -(-len(items) // (4 * self.workers)))
        return list(self.pool.map(function, items, chunksize=size))

    def end(self):
        self.pool.shutdown(wait=True, kill_workers=True)


def mapped(function, items, pool):
    """A sampler for a map on a warm pool."""
    first, last = function(items[0]), function(items[-1])

    def run():
        results = pool.map(function, items)
        return lambda: len(results) == len(items) and results[0] == first and results[-1] == last

    return timed(run)


def spawn(_items, _workers):
    def run():
        process = multiprocessing.Process(target=identity, args=(3,))
        process.start()
        process.join()
        return lambda: process.exitcode == 0

    return timed(run)


def round_trip(library, items, workers):
    pool = library(workers)

    def run():
        total = sum(pool.submit(identity, i)() for i in range(items))
        return lambda: total == sum(range(items))

    return timed(run, items)


def submits(library, items, workers):
    pool = library(workers)

    def run():
        waits = [pool.submit(identity, i) for i in range(items)]
        results = [wait() for wait in waits]
        return lambda: results == list(range(items))

    return timed(run)


def square_roots(library, items, workers):
    return mapped(math.sqrt, range(10, items), library(workers))


def factorials(library, items, workers):
    source = random.Random(1)
    return mapped(math.factorial, [source.randint(0, 34) for _ in range(items)], library(workers))


def there_and_back(library, items, workers):
    pool = library(workers)
    data = bytes(items)

    def run():
        result = pool.submit(identity, data)()
        return lambda: len(result) == items

    return timed(run)


def upper_case(library, items, workers):
    return mapped(str.upper, [f"line {i} of a text of usual length" for i in range(items)], library(workers))


def row_sums(library, items, workers):
    row = array.array("d", [1.0] * 512)
    return mapped(sum, [row] * items, library(workers))


def cold(library, items, workers):
    def run():
        pool = library(workers)
        results = pool.map(math.sqrt, range(items))
        pool.end()
        return lambda: len(results) == items

    return timed(run)


def send(queue, message, count, begin, end):
    begin.wait()
    for _ in range(count):
        queue.put(message)
    end.wait()


def receive(queue, count, begin, end, total):
    begin.wait()
    messages = (queue.get() for _ in range(count))
    total.value = sum(message if isinstance(message, int) else len(message) for message in messages)
    end.wait()


def queue(message, size, bound):
    """A sampler for a queue: as many senders as receivers, and so many messages for each of them."""

    def prepare(items, workers):
        def sample():
            channel = multiprocessing.Queue(bound)
            begin, end = (multiprocessing.Barrier(2 * workers + 1) for _ in range(2))
            totals = [multiprocessing.Value("Q", 0) for _ in range(workers)]
            senders = [multiprocessing.Process(target=send, args=(channel, message, items, begin, end)) for _ in totals]
            receivers = [
                multiprocessing.Process(target=receive, args=(channel, items, begin, end, total)) for total in totals
            ]
            for process in senders + receivers:
                process.start()
            begin.wait()
            start = time.perf_counter()
            end.wait()
            seconds = time.perf_counter() - start
            for process in senders + receivers:
                process.join()
            check(sum(total.value for total in totals) == items * workers * size)
            return seconds / (items * workers)

        return sample

    return prepare


def idle(measure):
    """A sampler for the workers of a pool that has worked and now waits."""

    def prepare(items, workers):
        before = {child.pid for child in multiprocessing.active_children()}
        pool = multiprocessing.Pool(workers)
        pool.map(identity, range(items))
        pids = [child.pid for child in multiprocessing.active_children() if child.pid not in before]
        # The pool is held by the sampler: without it the workers would end.
        return lambda pool=pool: measure(pids)

    return prepare


def field(path, key):
    with open(path) as lines:
        return next(int(line.split()[1]) for line in lines if line.startswith(key))


def private_dirty(pids):
    return sum(field(f"/proc/{pid}/smaps_rollup", "Private_Dirty:") * 1024 for pid in pids) / len(pids)


def context_switches(pids):
    def so_far():
        threads = [f"/proc/{pid}/task/{thread}/status" for pid in pids for thread in os.listdir(f"/proc/{pid}/task")]
        keys = ("voluntary_ctxt_switches:", "nonvoluntary_ctxt_switches:")
        return sum(field(thread, key) for thread in threads for key in keys)

    before = so_far()
    time.sleep(1)
    return so_far() - before


LIBRARIES = {"multiprocessing": Multiprocessing, "loky": Loky}

# What both libraries do, by the pools that stand above.
WITH_A_POOL = {
    "round trip": round_trip,
    "submits": submits,
    "square roots": square_roots,
    "factorials": factorials,
    "there and back": there_and_back,
    "upper case": upper_case,
    "row sums": row_sums,
    "cold": cold,
}

# What multiprocessing alone is asked for.
BY_ITSELF = {
    "spawn": spawn,
    "numbers through a queue": queue(1 << 40, 1 << 40, 1000),
    "pages through a queue": queue(bytes(4096), 4096, 64),
    "idle memory": idle(private_dirty),
    "idle switches": idle(context_switches),
}


def prepared(library, work, items, workers):
    if work in WITH_A_POOL:
        return WITH_A_POOL[work](LIBRARIES[library], items, workers)
    return BY_ITSELF[work](items, workers)


def main():
    sample = None
    for line in sys.stdin:
        try:
            request = json.loads(line)
            if sample is None:
                sample = prepared(**request)
            answer = {"sample": sample()}
        except ModuleNotFoundError as error:
            answer = {"error": f"{error.name} is not installed"}
        except Exception as error:
            answer = {"error": f"{type(error).__name__}: {error}"}
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    main()
