"""Runs every block of Python in the README and the guide, those of a document in order and in one folder.

    check_snippets.py MOESIM [FOLDER-OF-THE-MODULE]
"""
import importlib.util
import os
import re
import subprocess
import sys
import tempfile

if len(sys.argv) < 3:
    print("SKIPPED: Python's module was not built (Debian: pybind11-dev python3-dev)")
    sys.exit(77)
environment = dict(os.environ, PYTHONPATH=os.path.abspath(sys.argv[2]), MPLBACKEND="Agg",
                   MOESIM_CONFIGS=os.path.abspath("configs"),
                   PATH=os.path.dirname(os.path.abspath(sys.argv[1])) + ":" + os.environ["PATH"])
ran, skipped = [], []
for document in ("README.md", "docs/guide/python.md"):
    with open(document, encoding="utf-8") as file:
        blocks = re.findall(r"^```python (\S+)\n(.*?)^```$", file.read(), re.M | re.S)
    if not blocks:
        sys.exit(f"failed: {document} has no block of Python")
    with tempfile.TemporaryDirectory() as folder:
        for name, text in blocks:
            imported = re.findall(r"^(?:import|from) (\w+)", text, re.M)
            lacking = [module for module in imported if module != "moesim" and not importlib.util.find_spec(module)]
            if lacking:
                skipped.append(f"{name} without {', '.join(lacking)}")
                continue
            with open(os.path.join(folder, name), "w", encoding="utf-8") as file:
                file.write(text)
            done = subprocess.run([sys.executable, name], cwd=folder, env=environment, capture_output=True, text=True)
            if done.returncode != 0:
                sys.exit(f"failed: {document}: {name}\n{done.stdout}{done.stderr}")
            # What a comment behind a print says is printed.
            expected = re.findall(r"^\s*print\(.*\)  # (.*)$", text, re.M)
            printed = done.stdout.splitlines()
            if expected and printed[:len(expected)] != expected:
                sys.exit(f"failed: {document}: {name} prints {printed}, and its comments say {expected}")
            ran.append(name)
        for name in re.findall(r'savefig\("(.*?)"\)', "".join(text for _, text in blocks)):
            picture = os.path.join(folder, name)
            if "matplotlib" in str(skipped):
                continue
            if not os.path.exists(picture) or os.path.getsize(picture) < 5000:
                sys.exit(f"failed: {name} is no picture")
print(f"ran {', '.join(ran)}")
if skipped:
    print(f"SKIPPED: {'; '.join(skipped)}")
    sys.exit(77)
