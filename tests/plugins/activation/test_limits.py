import multiprocessing

from activation.hooks.limits import AccountLimiter, account_limiter


def _take(path, requests, asked, found):
    limiter = AccountLimiter(path, requests, 600)
    found.put(sum(limiter.try_now() for _ in range(asked)))


def test_no_more_requests_than_the_account_allows(tmp_path):
    limiter = AccountLimiter(tmp_path / "a.sqlite", 3, 600)
    assert [limiter.try_now() for _ in range(5)] == [True, True, True, False, False]


def test_two_limiters_of_one_account_share_its_limit(tmp_path):
    one, other = (AccountLimiter(tmp_path / "a.sqlite", 4, 600) for _ in range(2))
    assert sum(limiter.try_now() for _ in range(4) for limiter in (one, other)) == 4


def test_processes_share_the_limit(tmp_path):
    """N workers must not send N times the rate."""
    context = multiprocessing.get_context("fork")
    found = context.Queue()
    workers = [context.Process(target=_take, args=(tmp_path / "a.sqlite", 150, 100, found)) for _ in range(3)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert sum(found.get() for _ in workers) == 150


def test_a_full_window_is_waited_out(tmp_path):
    limiter = AccountLimiter(tmp_path / "a.sqlite", 2, 0.05)
    for _ in range(5):
        limiter.wait()
    assert limiter._bucket.count() >= 2


def test_the_file_of_an_account_shows_neither_address_nor_token(tmp_path):
    account_limiter(tmp_path, "https://api.example", "secret-token", 5, 10.0)
    names = [path.name for path in tmp_path.iterdir()]
    assert names
    assert not any("secret" in name or "example" in name for name in names)
