"""Collections: each file is one, which serves many datasets by their whole names.

A collection module is like that of one dataset (see ``textclf.datasets``); its functions find in
the options which dataset is meant. ``path`` serves files and folders; any other one, names that
start with its own and a colon.
"""
