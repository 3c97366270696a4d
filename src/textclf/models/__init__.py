"""Contains one model per file, found by its name.

A model module has a docstring whose first line is its summary, and defines

- ``TAKES``: ``"token_ids"`` or ``"text"``;
- ``Config``, a `ModelConfig` with its hyperparameters, unless it has none;
- optionally ``DEFAULTS``, default values of other sections of the configuration;
- optionally ``find_defaults(model)``, which returns them instead if they depend on the given values
  of its own section;
- optionally ``TEXT_KEYS``, the keys of the section ``text`` that it uses, if it ignores others;
- optionally ``SEARCH``, what `textclf tune` tries, as in the section ``search`` of a configuration
  file;
- optionally ``find_search(config)``, which returns it instead if it depends on the hyperparameters;
- if it is a network, ``build(config, *, text, n_labels)``. A model of token ids returns a
  keras.Model, <int32>[batch, sequence_length] to probabilities <float32>[batch, n_labels]. A model
  of text returns an encoder and a keras.Model. The encoder is a layer that is not trained,
  <string>[batch] to features, whose output is computed once per text and is what the keras.Model
  takes; None if the keras.Model takes the texts. If the encoder is fitted, ``build`` has another
  argument, ``train``: the training `Split`;
- optionally, for a network whose last layer turns scores into probabilities,
  ``make_loss(config)``, a keras.Loss of the scores, or None for the cross-entropy;
- otherwise ``fit(config, dataset, *, seed)``, which returns a `SklearnClassifier`. Such a
  model uses neither the section ``text`` nor ``training``, except for ``training.refit``.
"""
