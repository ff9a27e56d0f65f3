"""CleanVision's side of the comparison of cleaning: `cleaning_peer.py LIST` prints one JSON line.

LIST is a file with the paths of the pictures. All kinds of issues with their defaults, one process.
"""

import contextlib
import json
import pathlib
import resource
import sys
import time

from cleanvision import Imagelab


def main():
    files = pathlib.Path(sys.argv[1]).read_text().splitlines()
    start = time.process_time()
    with contextlib.redirect_stdout(sys.stderr):
        lab = Imagelab(filepaths=files)
        lab.find_issues(n_jobs=1, verbose=False)
    seconds = time.process_time() - start
    print(json.dumps({
        "images_per_cpu_second": len(files) / seconds,
        "near_duplicates": int(lab.issues["is_near_duplicates_issue"].sum()),
        "peak_megabytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
    }))


main()
