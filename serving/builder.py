# Builds an environment: resolves the requirements to wheels with their digests, and installs these. It runs no code of the packages.
import json, os, re, shutil, subprocess, sys, time

root, wanted, compiled = sys.argv[1], sys.argv[2], sys.argv[3] == "compiled"
env, cache, lock = root + "/env", root + "/cache", root + "/pylock.toml"
# The image has the sources of the standard library only, and no replica can write what it has compiled: all of it is in the environment.
os.environ.update(PYTHONPYCACHEPREFIX=env + "/pycache", UV_CACHE_DIR=cache, UV_NO_PROGRESS="1", UV_NO_CONFIG="1", NO_COLOR="1",
                  UV_PYTHON_DOWNLOADS="never", UV_PREVIEW_FEATURES="pylock")
sys.pycache_prefix = env + "/pycache"
sys.dont_write_bytecode = True  # what this program imports: the folder of the environment must not be there before uv makes it


def end(answer, code):
    with open("/dev/termination-log", "w") as f:
        json.dump(answer, f)
    sys.exit(code)


def uv(*args):
    start = time.monotonic()
    done = subprocess.run(["uv", *args], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    sys.stderr.write(done.stderr)
    if done.returncode:
        end({"error": done.stderr[-3000:]}, 1)
    return round(time.monotonic() - start, 1)


# What is in no server of models is not compiled; tests are half the code of some packages.
skipped = {"test", "tests", "idlelib", "tkinter", "lib2to3", "ensurepip", "turtledemo", "pydoc_data", "__pycache__"}


def sources(folder, *others):
    found = []
    for at, folders, files in os.walk(folder):
        folders[:] = [name for name in folders if name not in skipped and name not in others]
        found += [at + "/" + name for name in files if name.endswith(".py")]
    return sorted(found)


def compile_source(path, final):
    """Compiles a source for the path that it will have, unless that is done. One that cannot be compiled is left to whoever imports it."""
    import importlib.util, py_compile
    target = importlib.util.cache_from_source(final)
    try:
        head = importlib.util.MAGIC_NUMBER + (0).to_bytes(4, "little") + (int(os.stat(path).st_mtime) & 0xFFFFFFFF).to_bytes(4, "little")
        if os.path.exists(target):
            with open(target, "rb") as f:
                if f.read(12) == head:
                    return
        py_compile.compile(path, target, final, doraise=True)
    except (py_compile.PyCompileError, OSError, ValueError, RecursionError, MemoryError):
        pass


def compile_share(number, count, installed):
    """Compiles every count-th source: of Python itself, of each package as soon as uv has unpacked it, and at the end what is left."""
    import gc, select
    gc.disable()
    os.nice(10)  # uv, which everything waits for, comes first
    for path in sources(os.path.dirname(os.__file__), "site-packages", "dist-packages")[number::count]:
        compile_source(path, path)
    packages, seen, over = site_packages(), set(), False
    while not over:
        over = bool(select.select([installed], [], [], 0.05)[0])  # it is closed
        for archive in archives() - seen:
            seen.add(archive)
            for path in sources(archive)[number::count]:
                compile_source(path, packages + path[len(archive):])
    for path in sources(packages)[number::count]:
        compile_source(path, path)


def site_packages():
    return "%s/lib/python%d.%d/site-packages" % (env, *sys.version_info[:2])


def archives():
    """The folders of packages that uv has unpacked. They have these names when they are complete."""
    import glob
    return set(glob.glob(cache + "/archive-v*/*"))


def start_compiling():
    """Starts processes that compile until what is answered is called."""
    installed, done = os.pipe()
    count, children = min(4, len(os.sched_getaffinity(0))), []
    for number in range(count):
        child = os.fork()
        if child == 0:
            os.close(done)
            try:
                compile_share(number, count, installed)
            finally:
                os._exit(0)  # what is not compiled is compiled by whoever needs it
        children.append(child)
    os.close(installed)

    def finish():
        os.close(done)
        for child in children:
            os.waitpid(child, 0)
    return finish


def answers(address):
    import urllib.error, urllib.request
    try:
        urllib.request.urlopen(address, timeout=5).close()
    except urllib.error.HTTPError:
        pass  # something answers, and uv will say what is wrong with it
    except (OSError, ValueError):
        return False
    return True


def without_silent(path):
    """Leaves out further sources of packages that do not answer, as pip does: SDKs of old write such lines by themselves."""
    with open(path) as f:
        lines = f.readlines()
    sources, silent = [line.strip().partition(" ")[2] for line in lines if line.startswith(("--extra-index-url ", "--find-links "))], []
    if sources:
        import concurrent.futures
        with concurrent.futures.ThreadPoolExecutor() as pool:
            silent = [source for source, there in zip(sources, pool.map(answers, sources)) if not there]
    kept = [line for line in lines if line.strip().partition(" ")[2] not in silent]
    wanted = root + "/requirements.in"
    with open(wanted, "w") as f:
        f.write("".join(kept))
    return wanted, silent


shutil.rmtree(env, ignore_errors=True)
shutil.rmtree(cache, ignore_errors=True)  # of a build that was ended
start = time.monotonic()
wanted, silent = without_silent(wanted)
uv("venv", "--python", "/usr/bin/python3", env)
finish = start_compiling() if compiled else lambda: None
resolve = uv("pip", "compile", "--python", env, "--generate-hashes", "--only-binary", ":all:", "--no-header", "--no-annotate",
             "-o", lock, wanted)
with open(lock) as f:
    pinned = f.read()
# The lock names each file with its digest, so that the index is not asked again. uv refuses a file with another digest; one without is
# refused here.
for line in pinned.splitlines():
    if re.search("(url|path) = ", line) and not re.search(r"hashes = \{ *sha", line):
        end({"error": "The index gives no digest of this file: " + line[:500]}, 1)
install = uv("pip", "install", "--python", env, "--no-build", "-r", lock)
finish()
shutil.rmtree(cache, ignore_errors=True)
end({"pycache": compiled, "resolve": resolve, "install": install, "all": round(time.monotonic() - start, 1),
     "silent": silent, "packages": pinned.count("[[packages]]")}, 0)
