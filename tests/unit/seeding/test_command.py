"""`python -m lamina_core seed` as a person calls it."""

import os
import subprocess
import sys

import pytest

from lamina_core.config import PROJECT


def seed(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "lamina_core", "seed", *arguments]
    return subprocess.run(command, capture_output=True, text=True, cwd=PROJECT, env=os.environ | {"LAMINA_API_KEY": ""})


def test_it_says_what_it_stored_and_refuses_to_mix_histories(tmp_path):
    where = ("--database", f"sqlite:///{tmp_path / 'desk.db'}")
    done = seed("--executions", "300", *where)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("300 executions are stored, in ")
    assert done.stdout.endswith(" MB.\n")
    assert seed("--executions", "300", *where).returncode == 0


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--executions", "0"), "--executions must be a number from 1 to 100,000,000.\n"),
        (("--executions", "5", "--database", "desk.db"), "--database must look like sqlite:///path/to/file.db"),
    ],
)
def test_arguments_that_cannot_be_used_end_it_with_2_and_one_sentence(arguments: tuple[str, ...], said: str):
    done = seed(*arguments)
    assert done.returncode == 2
    assert done.stderr.startswith(said)
    assert done.stderr.count("\n") == 1
    assert done.stdout == ""
