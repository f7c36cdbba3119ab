#!/usr/bin/env python3
"""The example jobs for schedulers, as these start them: every task its shard, and the reports merged.

  jobs_test.py TANDEM ROM FOLDER_OF_JOBS

ROM ends by port 501h, which gives status 1.
"""
import os
import pathlib
import re
import subprocess
import sys
import tempfile
import xml.etree.ElementTree

TANDEM, ROM, JOBS = (pathlib.Path(a).resolve() for a in sys.argv[1:4])
TASKS, CASES = 3, 7
SUITE = f"""[[guest]]
name = "ends"
firmware = "{ROM}"
debug_exit = 0x501
status = 1
matrix.memory = [{', '.join(str(16 + n) for n in range(CASES))}]
"""


class Failure(Exception):
    pass


def check(condition, text):
    if not condition:
        raise Failure(text)


def run(folder, environment, *words):
    done = subprocess.run(words, cwd=folder, env={**os.environ, **environment}, stdin=subprocess.DEVNULL, capture_output=True, text=True,
                          timeout=120)
    check(done.returncode == 0, f"{words}: {done.stdout}{done.stderr}")


def slurm_task(folder, task):
    """srun starts the program in the allocation; here that is this machine."""
    srun = folder / "srun"
    srun.write_text('#!/bin/sh\nexec "$@"\n')
    srun.chmod(0o755)
    run(folder, {"PATH": f"{folder}:{TANDEM.parent}:{os.environ['PATH']}", "SUITE": "suite.toml", "SLURM_ARRAY_TASK_ID": str(task),
                 "SLURM_ARRAY_TASK_COUNT": str(TASKS), "SLURM_CPUS_PER_TASK": "2"}, "sh", JOBS / "slurm.sh")


def nomad_task(folder, task):
    """What the job's one heredoc holds, with its variables replaced, as Nomad's HCL does it."""
    job = (JOBS / "nomad.hcl").read_text()
    script = re.search(r"<<-SCRIPT\n(.*?)\n\s*SCRIPT\n", job, re.DOTALL)[1]
    for name, value in {"folder": folder, "shards": TASKS, "suite": "suite.toml"}.items():
        check(re.search(rf'variable "{name}"', job), f"nomad.hcl has no variable {name}")
        script = script.replace(f"${{var.{name}}}", str(value))
    check("${" not in script, f"nomad.hcl: {script}")
    if not (folder / "build").exists():
        (folder / "build").symlink_to(TANDEM.parent)
    run(folder, {"NOMAD_ALLOC_INDEX": str(task - 1)}, "/bin/sh", "-c", script)


def check_job(name, start_task):
    with tempfile.TemporaryDirectory() as scratch:
        folder = pathlib.Path(scratch)
        (folder / "suite.toml").write_text(SUITE)
        for task in range(1, TASKS + 1):
            start_task(folder, task)
        # Debian's Python, which has Debian's packages.
        run(folder, {}, "/usr/bin/python3", "-m", "junitparser", "merge", "--glob", "results/*.xml", "results.xml")
        merged = xml.etree.ElementTree.parse(folder / "results.xml").getroot()
        cases = sorted(case.get("name") for case in merged.iter("testcase"))
        check(cases == [f"ends/{16 + n}" for n in range(CASES)] and merged.get("failures") == "0", f"{name}: {cases}, {merged.attrib}")


def main():
    check_job("slurm", slurm_task)
    check_job("nomad", nomad_task)


if __name__ == "__main__":
    try:
        main()
    except Failure as failure:
        print(failure)
        sys.exit(1)
