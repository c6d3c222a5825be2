"""Python's module against the program: the same results; errors with their place; the GIL; Ctrl-C.

    check_module.py MOESIM [FOLDER-OF-THE-MODULE]
"""
import _thread
import ast
import copy
import json
import os
import pickle
import re
import subprocess
import sys
import tempfile
import threading
import time
import unittest

if len(sys.argv) < 3:
    print("SKIPPED: Python's module was not built (Debian: pybind11-dev python3-dev)")
    sys.exit(77)
program = os.path.abspath(sys.argv[1])
sys.path.insert(0, os.path.abspath(sys.argv[2]))
import moesim  # noqa: E402

QUICK = {"network": "bound", "step.count": 1}
MIXTRAL = "mixtral-8x7b-decode-h100"


def printed(*words):
    return json.loads(subprocess.run([program, *words, "--format", "json"], check=True, capture_output=True).stdout)


def flags(sets):
    return [word for key, value in sets.items() for word in ("--set", f"{key}={value}")]


class Results(unittest.TestCase):
    def same(self, report, of_program):
        """But for the command line that was typed, and its mark in the title."""
        for one in (report, of_program):
            one.pop("title", None)
            one.get("manifest", {}).pop("command", None)
        self.assertEqual(report, of_program)

    def test_run_gives_what_the_program_prints(self):
        self.same(moesim.run(MIXTRAL, set=QUICK), printed("run", MIXTRAL, *flags(QUICK)))
        training = "configs/scenarios/mixtral-8x7b-training-h100.yaml"

        self.same(moesim.run(training, jobs=2), printed("run", training))

    def test_what_is_loaded_once_is_run_as_often_as_is_asked(self):
        loaded = moesim.load(MIXTRAL, set=QUICK)
        self.assertEqual(repr(loaded), f"moesim.Scenario({moesim.config(MIXTRAL)['name']})")
        first = moesim.run(loaded)
        self.assertEqual(first, moesim.run(loaded, jobs=2))
        self.assertEqual(first, moesim.run(MIXTRAL, set=QUICK))
        self.assertEqual(moesim.config(loaded), moesim.config(MIXTRAL, set=QUICK))
        for call in (lambda: moesim.run(loaded, set=QUICK), lambda: moesim.run(loaded, inputs=moesim.Inputs())):
            with self.assertRaisesRegex(moesim.ConfigError, r"has been read: say set and inputs to load\(\)"):
                call()

    def test_capacity_gives_what_the_program_prints(self):
        service = "mixtral-8x7b-serving-h100"
        sets = {"serving.requests.count": 200, "serving.requests.warm_up": 0, "routing": "{law: balanced}"}
        program_says = printed("capacity", service, *flags(sets))
        del program_says["capacity"]["availability"]  # of lost GPUs
        self.same(moesim.capacity(service, set=sets), program_says)
        sets["serving.targets"] = "{ttft: 1 us}"
        with self.assertRaisesRegex(moesim.InfeasibleError, "no rate attains TTFT 1 us"):
            moesim.capacity(moesim.load(service, set=sets))

    def test_a_dict_is_the_file_that_would_say_it(self):
        scenario = {"name": "mine", "model": "mixtral-8x7b", "cluster": "h100-1x8",
                    "parallelism": {"tp": 1, "dp": 8, "ep": 8}, "routing": {"law": "uniform"}, "network": "bound",
                    "step": {"phase": "decode", "batch_per_rank": 8, "context": 1024, "count": 1}}
        before = copy.deepcopy(scenario)
        report = moesim.run(scenario)
        self.assertEqual(scenario, before)
        with tempfile.TemporaryDirectory() as folder:
            file = os.path.join(folder, "mine.yaml")
            with open(file, "w", encoding="utf-8") as out:
                json.dump(scenario, out)
            self.assertEqual(report["step_time_us"], moesim.run(file)["step_time_us"])
        self.assertEqual(moesim.config(scenario, set={"step.context": 2048})["step"]["context"], 2048)
        rows = moesim.sweep(scenario, vary={"step.context": [1024, 2048]})
        self.assertEqual(rows[0]["step_time_us.mean"], report["step_time_us"]["mean"])
        self.assertEqual([row["step.context"] for row in rows], [1024, 2048])

    def test_what_does_not_fit_is_reported(self):
        report = moesim.run(MIXTRAL, set={**QUICK, "step.batch_per_rank": 1024})
        self.assertFalse(report["memory"]["fits"])

    def test_a_sweep_is_the_programs(self):
        with tempfile.TemporaryDirectory() as folder:
            theirs, ours = os.path.join(folder, "theirs.db"), os.path.join(folder, "ours.db")
            study = ["--vary", "step.batch_per_rank=1..3,1024,0", "--zip",
                     "step.context=1024,2048,step.count=1,2", "--where", "step.batch_per_rank != 2"]
            subprocess.run([program, "sweep", MIXTRAL, *study, "--set", "network=bound", "-o", theirs], check=True,
                           capture_output=True)
            arguments = dict(vary={"step.batch_per_rank": "1..3,1024,0"},
                             zip=[{"step.context": [1024, 2048], "step.count": [1, 2]}],
                             where=["step.batch_per_rank != 2"], set={"network": "bound"}, store=ours)
            calls = []
            rows = moesim.sweep(MIXTRAL, jobs=2, reports=True, progress=lambda *call: calls.append(call), **arguments)
            self.assertEqual(calls, [(i + 1, 8) for i in range(8)])
            export = lambda store: subprocess.run([program, "sweep", "export", store], check=True,
                                                  capture_output=True).stdout
            self.assertEqual(export(ours), export(theirs))
            self.assertEqual([row["status"] for row in rows], ["done"] * 4 + ["infeasible"] * 2 + ["invalid"] * 2)
            self.assertEqual(rows[0]["report"]["step_time_us"]["mean"], rows[0]["step_time_us.mean"])
            self.assertIsNone(rows[7]["step_time_us.mean"])
            self.assertIn("expected a whole number", rows[7]["reason"])
            with self.assertRaisesRegex(moesim.ConfigError, "is there already; --resume goes on with it"):
                moesim.sweep(MIXTRAL, **arguments)
            again = moesim.sweep(MIXTRAL, resume=True, **arguments)
            self.assertEqual([row["id"] for row in again], [row["id"] for row in rows])

    def test_a_study_is_a_dict_too(self):
        rows = moesim.sweep({"base": MIXTRAL, "set": QUICK, "measure": ["step_time_us.mean"],
                             "vary": {"step.batch_per_rank": "8..9", "routing": [{"law": "uniform"},
                                                                                 {"law": "zipf", "skew": 0.5}]}})
        self.assertEqual(len(rows), 4)
        self.assertEqual(set(rows[0]), {"ord", "id", "status", "reason", "step.batch_per_rank", "routing",
                                        "step_time_us.mean"})
        self.assertTrue(all(row["status"] == "done" for row in rows))

    def test_compare_takes_scenarios_and_reports(self):
        changed = {"step.context": 4096}
        a, b = moesim.run(MIXTRAL, set=QUICK), moesim.run(MIXTRAL, set={**QUICK, **changed})
        found = moesim.compare(a, b)
        self.assertAlmostEqual(found["difference_us"], b["step_time_us"]["mean"] - a["step_time_us"]["mean"], 5)
        self.assertAlmostEqual(sum(part["us"] for part in found["where"]), found["difference_us"], 5)
        why = moesim.compare(MIXTRAL, MIXTRAL, set={**changed, "step.count": 1}, why=True)["why"]
        self.assertTrue(why)
        with self.assertRaisesRegex(moesim.ConfigError, "why: plays mixtures of two scenarios, and a is a report"):
            moesim.compare(a, MIXTRAL, why=True)
        with self.assertRaisesRegex(moesim.ConfigError, "set: changes scenarios, and b is a report"):
            moesim.compare(a, b, set=changed)

    def test_a_plan_is_the_programs(self):
        question = {"model": "mixtral-8x7b", "load": {"phase": "decode", "context": 1024, "rate": "2000 /s"},
                    "targets": {"tpot": "50 ms"}, "gpus": [{"cluster": "h100-1x8"}], "limits": {"gpus": 8},
                    "space": {"tp": [1], "pp": [1]}}
        plan = moesim.plan(question)
        with tempfile.TemporaryDirectory() as folder:
            file = os.path.join(folder, "question.yaml")
            with open(file, "w", encoding="utf-8") as out:
                json.dump(question, out)
            done = subprocess.run([program, "plan", file, "--format", "json"], capture_output=True)
            self.assertIn(done.returncode, (0, 3), done.stderr)
            self.assertEqual(plan, json.loads(done.stdout))
            self.assertEqual(moesim.plan(file), plan)


class Errors(unittest.TestCase):
    def raised(self, kind, call):
        with self.assertRaises(kind) as caught:
            call()
        return caught.exception

    def test_an_error_says_where_and_what_would_do(self):
        with tempfile.TemporaryDirectory() as folder:
            file = os.path.join(folder, "mine.yaml")
            with open(file, "w", encoding="utf-8") as out:
                out.write("name: x\nmodle: mixtral-8x7b\ncluster: h100-1x8\nstep: {phase: decode}\n")
            error = self.raised(moesim.ConfigError, lambda: moesim.run(file))
        self.assertEqual((error.file, error.line, error.column, error.hint, error.exit_code),
                         (file, 2, 1, 'did you mean "model"?', 2))
        self.assertEqual(error.problems[0].text, f'{file}:2:1: unknown key "modle"; did you mean "model"?')
        self.assertGreater(len(error.problems), 1)  # all mistakes, not the first
        # Of a dict, the line of its text, a key a line: the second here.
        error = self.raised(moesim.ConfigError, lambda: moesim.run({"modle": "mixtral-8x7b"}))
        self.assertEqual((error.file, error.line), ("scenario", 2))
        error = self.raised(moesim.ConfigError, lambda: moesim.run("mixtral-8x7b-decode-h10"))
        self.assertEqual((error.file, error.hint), (None, "did you mean mixtral-8x7b-decode-h100?"))
        self.assertIsInstance(error, moesim.Error)
        copied = pickle.loads(pickle.dumps(error))  # multiprocessing brings errors home so
        self.assertEqual((type(copied), str(copied), copied.exit_code), (type(error), str(error), 2))

    def test_a_damaged_file_is_another_error(self):
        with tempfile.TemporaryDirectory() as folder:
            file = os.path.join(folder, "damaged.json")
            with open(file, "w", encoding="utf-8") as out:
                out.write("{")
            error = self.raised(moesim.InputError, lambda: moesim.compare(file, file))
            self.assertEqual(error.exit_code, 4)

    def test_what_no_file_could_say_is_refused(self):
        with self.assertRaisesRegex(TypeError, "a object is nothing that a scenario's file could say"):
            moesim.run(MIXTRAL, set={"step.context": object()})
        with self.assertRaises(ValueError):
            moesim.run(MIXTRAL, set={"step.context": float("nan")})


class Threads(unittest.TestCase):
    def test_others_run_meanwhile(self):
        ended = threading.Event()

        def long():
            moesim.sweep(MIXTRAL, vary={"step.batch_per_rank": "1..40"}, set={"network": "bound"})
            ended.set()
        thread = threading.Thread(target=long)
        thread.start()
        ticks = 0
        while not ended.is_set():
            time.sleep(0.001)
            ticks += 1
        thread.join()
        self.assertGreater(ticks, 10)  # with the GIL held there would be one or two

    def test_ctrl_c_ends_a_call(self):
        for jobs in (1, 2):
            timer = threading.Timer(0.5, _thread.interrupt_main)
            timer.start()
            begin = time.monotonic()
            with self.assertRaises(KeyboardInterrupt):
                moesim.sweep(MIXTRAL, vary={"step.context": "1..20000"}, set={"network": "bound"}, jobs=jobs)
            self.assertLess(time.monotonic() - begin, 30)

    def test_what_a_progress_function_raises_is_raised(self):
        def stop(done, all):
            if done == 3:
                raise RuntimeError("enough")
        with tempfile.TemporaryDirectory() as folder:
            store = os.path.join(folder, "a.db")
            arguments = dict(vary={"step.batch_per_rank": "1..9"}, set=QUICK, store=store)
            with self.assertRaisesRegex(RuntimeError, "enough"):
                moesim.sweep(MIXTRAL, progress=stop, **arguments)
            self.assertEqual(len(moesim.sweep(MIXTRAL, resume=True, **arguments)), 9)


class Stubs(unittest.TestCase):
    def test_they_say_what_there_is(self):
        """Names and arguments of _core.pyi against the module's own signatures."""
        with open(os.path.join(os.path.dirname(moesim.__file__), "_core.pyi"), encoding="utf-8") as file:
            tree = ast.parse(file.read())
        said = {}
        for node in tree.body:
            if isinstance(node, ast.FunctionDef):
                said[node.name] = [argument.arg for argument in node.args.args]
            elif isinstance(node, ast.ClassDef):
                # A class that only the module makes has none.
                made = [item for item in node.body if getattr(item, "name", "") == "__init__"]
                said[node.name] = [argument.arg for item in made for argument in item.args.args]
            elif isinstance(node, ast.AnnAssign):
                said[node.target.id] = None
        there = {}
        for name in filter(lambda name: not name.startswith("_"), dir(moesim._core)):
            value = getattr(moesim._core, name)
            doc = (value.__init__ if isinstance(value, type) else value).__doc__
            there[name] = None if isinstance(value, str) else re.findall(r"(\w+): ", doc.split(" -> ")[0])
        self.assertEqual(said, there)


class Arrays(unittest.TestCase):
    def test_numpys_values_are_values(self):
        try:
            import numpy
        except ImportError:
            self.skipTest("no numpy")
        rows = moesim.sweep(MIXTRAL, vary={"step.batch_per_rank": numpy.arange(1, 3)},
                            set={**QUICK, "step.context": numpy.int64(1024)})
        self.assertEqual([row["step.batch_per_rank"] for row in rows], [1, 2])


class Shared(unittest.TestCase):
    def test_what_calls_share_changes_no_answer(self):
        inputs = moesim.Inputs()
        for batch in (8, 16, 8):
            sets = {**QUICK, "step.batch_per_rank": batch}
            self.assertEqual(moesim.run(MIXTRAL, set=sets, inputs=inputs), moesim.run(MIXTRAL, set=sets))
        scenario = {"name": "mine", "model": "mixtral-8x7b", "cluster": "h100-1x8", "network": "bound",
                    "parallelism": {"dp": 8, "ep": 8}, "step": {"phase": "decode", "batch_per_rank": 4, "context": 128}}
        self.assertEqual(moesim.run(scenario, inputs=inputs), moesim.run(scenario))
        # From any thread.
        reports = [None] * 4
        def play(i):
            reports[i] = moesim.run(MIXTRAL, set={**QUICK, "step.batch_per_rank": i % 2 + 1}, inputs=inputs)
        threads = [threading.Thread(target=play, args=(i,)) for i in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual(reports[0], reports[2])
        self.assertEqual(reports[1], reports[3])

    def test_a_file_that_changes_is_read_anew(self):
        inputs = moesim.Inputs()
        with open("configs/clusters/h100-1x8.yaml", encoding="utf-8") as file:
            text = file.read().replace("../devices", os.path.abspath("configs/devices"))
        with tempfile.TemporaryDirectory() as folder:
            cluster = os.path.join(folder, "mine.yaml")
            times = []
            for bandwidth in ("450 GB/s", "45 GB/s"):
                with open(cluster, "w", encoding="utf-8") as out:
                    out.write(re.sub(r"450 GB/s", bandwidth, text))
                times.append(moesim.run(MIXTRAL, set={**QUICK, "cluster": cluster}, inputs=inputs)["step_time_us"]["mean"])
            self.assertGreater(times[1], times[0])


class Traces(unittest.TestCase):
    def setUp(self):
        try:
            import numpy
        except ImportError:
            self.skipTest("no numpy")
        self.numpy = numpy
        self.folder = tempfile.TemporaryDirectory()
        self.file = os.path.join(self.folder.name, "t.h5")

    def tearDown(self):
        self.folder.cleanup()

    def test_what_is_written_is_read(self):
        np = self.numpy
        # Six tokens, two layers, two of four experts each: 0 1 2 … mod 4, one of them nobody's.
        ids = (np.arange(24) % 4).reshape(6, 2, 2).astype("i4")
        ids[5, 1, 1] = -1
        weights = np.linspace(0, 1, 24, dtype="f4").reshape(6, 2, 2)
        moesim.write_trace(self.file, ids, experts=4, model="me/mine", source="a test", weights=weights,
                           requests=[0, 0, 0, 1, 1, 1], positions=[0, 1, 2, 0, 1, 2], phases=[0, 0, 1, 0, 0, 1],
                           domains=[0, 0, 0, 1, 1, 1], domain_names=["code", "prose"], layer_ids=[3, 5],
                           step_offsets=[0, 4, 6])
        trace = moesim.Trace(self.file)
        self.assertEqual(len(trace), 6)
        self.assertEqual({key: trace.info[key] for key in ("model", "source", "tokens", "layers", "experts", "top_k",
                                                           "layer_ids", "domains", "steps", "per_token")},
                         {"model": "me/mine", "source": "a test", "tokens": 6, "layers": 2, "experts": 4, "top_k": 2,
                          "layer_ids": [3, 5], "domains": ["code", "prose"], "steps": 2, "per_token": True})
        self.assertEqual(trace.ids().dtype, np.int32)
        np.testing.assert_array_equal(trace.ids(), ids)
        np.testing.assert_array_equal(trace.ids(2, 3), ids[2:5])
        np.testing.assert_array_equal(trace.ids(6), ids[6:])
        np.testing.assert_array_equal(trace.weights(4), weights.astype("f2").astype("f4")[4:])  # 16 bits in the file
        np.testing.assert_array_equal(trace.column("requests"), [0, 0, 0, 1, 1, 1])
        np.testing.assert_array_equal(trace.column("positions", 1, 2), [1, 2])
        np.testing.assert_array_equal(trace.column("phases"), [0, 0, 1, 0, 0, 1])
        np.testing.assert_array_equal(trace.column("domains"), [0, 0, 0, 1, 1, 1])
        np.testing.assert_array_equal(trace.step_offsets(), [0, 4, 6])
        with self.assertRaises(KeyError):
            trace.column("colours")

    def test_the_program_takes_what_was_written(self):
        np = self.numpy
        ids = np.random.default_rng(1).permuted(np.tile(np.arange(8), (4096, 32, 1)), axis=2)[:, :, :2]
        moesim.write_trace(self.file, ids.astype("u2"), experts=8)
        info = printed("trace", "info", self.file)
        self.assertEqual((info["tokens"], info["num_experts"]), (4096, 8))
        moesim.run(MIXTRAL, set={**QUICK, "routing": {"trace": self.file}})
        trace = moesim.Trace(self.file)
        np.testing.assert_array_equal(trace.ids(), ids)
        for nothing in (trace.weights(), trace.column("requests"), trace.step_offsets()):
            self.assertIsNone(nothing)

    def test_a_trace_that_ships_by_its_name(self):
        trace = moesim.Trace("mixtral-like")
        self.assertEqual(trace.ids(0, 16).shape, (16, 32, 2))
        # Loads as the program counts them.
        counted = self.numpy.bincount(trace.ids().ravel(), minlength=8)
        self.assertEqual(int(counted.sum()), 8192 * 32 * 2)

    def test_counts(self):
        np = self.numpy
        file = os.path.join(self.folder.name, "a.h5")
        counts = np.arange(12, dtype="u4").reshape(2, 2, 3)
        try:
            import h5py
        except ImportError:
            self.skipTest("no h5py")
        with h5py.File(file, "w") as f:
            f.attrs.update(format="moe-routing-trace", version=1, num_experts=3, top_k=1)
            f.create_dataset("counts", data=counts)
        trace = moesim.Trace(file)
        self.assertEqual(len(trace), 2)
        np.testing.assert_array_equal(trace.counts(), counts)
        np.testing.assert_array_equal(trace.counts(1), counts[1:])
        with self.assertRaisesRegex(moesim.ConfigError, "a.h5: ids: has counts, not tokens: counts.. gives them"):
            trace.ids()

    def test_what_is_no_trace_is_refused(self):
        np = self.numpy
        ids = np.zeros((3, 2, 1), dtype="i8")
        def refused(message, ids=ids, experts=4, **more):
            with self.assertRaises(moesim.ConfigError) as caught:
                moesim.write_trace(self.file, ids, experts=experts, **more)
            self.assertEqual(str(caught.exception), "write_trace: " + message)
            self.assertFalse(os.path.exists(self.file))
        refused("ids: expected whole numbers [tokens, mixture layers, top_k], not [3, 2]", ids[:, :, 0])
        refused("ids: expected whole numbers [tokens, mixture layers, top_k], not [3, 2, 1]", ids.astype("f4"))
        refused("ids: has nothing in it: [0, 2, 1]", ids[:0])
        refused("experts: expected 1 to 1048576, not 0", experts=0)
        wrong = ids.copy()
        wrong[2, 1, 0] = 4
        refused("ids of token 2: expected experts 0 to 3, or -1 where nobody was recorded, not 4", wrong)
        refused("layer_ids: 1 of 2 mixture layers", layer_ids=[7])
        refused("weights: expected numbers of the shape of ids, [3, 2, 1], not [3, 2]", weights=ids[:, :, 0])
        refused("requests: expected a whole number for each of 3 tokens, not [2]", requests=[0, 1])
        refused("positions[1]: expected a number from 0 to 2147483647, not -1", positions=[0, -1, 0])
        refused("phases[2]: expected 0 (prefill), 1 (decode) or 2 (mixed), not 3", phases=[0, 1, 3])
        refused("domains[0]: 1 of 1 domain_names", domains=[1, 0, 0], domain_names=["code"])
        refused("step_offsets: expected numbers from 0 up to the 3 tokens", step_offsets=[0, 2])
        moesim.write_trace(self.file, ids, experts=4)
        trace = moesim.Trace(self.file)
        with self.assertRaisesRegex(moesim.ConfigError, "t.h5: tokens 2 to 5 of 3"):
            trace.ids(2, 3)
        with self.assertRaisesRegex(moesim.ConfigError, "t.h5: counts: has tokens, not counts: ids.. gives them"):
            trace.counts()
        with self.assertRaisesRegex(moesim.ConfigError, "none.h5. is neither a file nor one of configs/traces"):
            moesim.Trace(os.path.join(self.folder.name, "none.h5"))
        damaged = os.path.join(self.folder.name, "damaged.h5")
        with open(damaged, "w", encoding="utf-8") as file:
            file.write("no trace")
        with self.assertRaises(moesim.InputError):
            moesim.Trace(damaged)


unittest.main(argv=sys.argv[:1], verbosity=1)
