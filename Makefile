# The commands of the README and of docs/: `make demo`, `make instrument`, `make table1`,
# `make pretrained`, `make translation`, `make midi`, `make libtpu`, `make test` and `make test-all`.

PYTHON ?= python3
SOUNDFONT ?= $(firstword $(wildcard \
	/usr/share/sounds/sf3/FluidR3Mono_GM.sf3 /usr/share/sounds/sf2/FluidR3_GM.sf2 \
	/usr/share/sounds/sf3/*.sf3 /usr/share/sounds/sf2/*.sf2))
DEMO ?= runs/demo
# Piano, marimba, organ, guitar, bass, violin, trumpet, saxophone and flute.
DEMO_INSTRUMENTS ?= 0,12,19,24,33,40,56,65,73
DEMO_PITCHES ?= 48:72:1
DEMO_VELOCITIES ?= 50,100
TRAIN_FLAGS ?=
REPORT_FLAGS ?=
SOUND ?=
PITCH ?=
INSTRUMENT ?= runs/instrument
# Sounds that are held, so that most notes loop. The 81 notes took two minutes on two cores.
INSTRUMENT_FLAGS ?= --corners=flute,brass,string,organ --resolution=3 --pitches=36:84:6
TABLE1 ?= runs/table1
# Those of the split `test` that `make pretrained` builds.
HELD_OUT_INSTRUMENTS ?= 1,9,24,34,35,40,46,47,84,112
TABLE1_RENDER_FLAGS ?=
TABLE1_FLAGS ?= --config.num_notes=200

PRETRAINED ?= runs/pretrained
FONTS ?= /usr/share/sounds
# The second is made from the first (MIT); the third (public domain) is only for testing.
TRAINING_FONTS ?= $(FONTS)/sf3/FluidR3Mono_GM.sf3 $(FONTS)/sf3/MuseScore_General_Lite.sf3
TEST_FONT ?= $(FONTS)/sf2/sf_GMbank.sf2
PRETRAINED_RENDER_FLAGS ?= --velocities=40,80,120
PRETRAINED_TEST_RENDER_FLAGS ?= --velocities=80
PRETRAINED_SYNTHETIC_FLAGS ?=
PRETRAINED_TRAIN_FLAGS ?=
PRETRAINED_EVALUATE_FLAGS ?= --config.num_notes=200
PRETRAINED_BETWEEN_FLAGS ?= --num_pairs=24 --num_weights=3

TRANSLATION ?= runs/translation
TRANSLATION_RENDER_FLAGS ?= --num_phrases=80
TRANSLATION_TRAIN_FLAGS ?=
TRANSLATION_EVALUATE_FLAGS ?=

MIDI ?= runs/midi
MIDI_RENDER_FLAGS ?= --num_pieces=150
MIDI_TRAIN_FLAGS ?=
MIDI_EVALUATE_FLAGS ?=

# On a CPU every training step gets its memory from Linux page by page, a third of the demo's time.
# Large pages (glibc 2.35 or newer; others ignore it) avoid that.
LARGE_PAGES := GLIBC_TUNABLES=glibc.malloc.hugetlb=1

BIN := .venv/bin
INSTALLED := .venv/installed

.PHONY: setup demo instrument table1 pretrained translation midi libtpu test test-all lint
.DELETE_ON_ERROR:

setup: .test_tools $(INSTALLED)

.PHONY: .system .test_tools
.system:
	@sh tools/system_packages.sh

.test_tools:
	@sh tools/system_packages.sh bats chromium shellcheck

# basic-pitch asks for an old TensorFlow, and needs none.
$(INSTALLED): setup.cfg pyproject.toml tools/make_venv.sh
	@sh tools/make_venv.sh $(PYTHON) .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[test]'
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps basic-pitch
	@touch $@

# In a second make, which finds a SoundFont that .system has installed.
demo: .system
	@$(MAKE) --no-print-directory .demo

.PHONY: .demo .soundfont
.soundfont:
	@test -n "$(SOUNDFONT)" || { echo "error: no SoundFont was found: install one" \
		"(apt-get install fluidr3mono-gm-soundfont) or give SOUNDFONT=FILE." >&2; exit 1; }

# First a report on the pretrained WaveNet (and on SOUND=FILE), then its fine-tuning on other notes.
PRETRAINED_REPORT = --checkpoint=pretrained \
	$(if $(SOUND),--input="$(SOUND)" $(if $(PITCH),--pitch=$(PITCH)))

.demo: .soundfont $(INSTALLED)
	$(BIN)/wavenet-ae report $(PRETRAINED_REPORT) --output="$(DEMO)/report" $(REPORT_FLAGS)
	$(BIN)/wavenet-ae render-soundfont --soundfont="$(SOUNDFONT)" \
		--output="$(DEMO)/notes" --instruments=$(DEMO_INSTRUMENTS) --pitches=$(DEMO_PITCHES) \
		--velocities=$(DEMO_VELOCITIES)
	$(BIN)/wavenet-ae build-dataset --notes="$(DEMO)/notes" \
		--data_dir="$(DEMO)/datasets" --split=by_note
	$(LARGE_PAGES) $(BIN)/python experiments/train.py --config=experiments/configs/wavenet_ae.py:fine_tune \
		--config.dataset.data_dir="$(DEMO)/datasets" --workdir="$(DEMO)/run" $(TRAIN_FLAGS)
	$(BIN)/wavenet-ae report $(PRETRAINED_REPORT) --checkpoint="$(DEMO)/run" \
		--output="$(DEMO)/report" $(REPORT_FLAGS)

# A playable instrument of the pretrained WaveNet and four of the notes that come with it.
instrument: $(INSTALLED)
	$(BIN)/wavenet-ae instrument wavenet_ae/pretrained/notes --output="$(INSTRUMENT)" \
		$(INSTRUMENT_FLAGS)

# The README's Table 1: the pretrained models reconstruct notes that none of them was trained on, of
# instruments and of a SoundFont that were held out.
table1: .system
	@sh tools/system_packages.sh --fonts
	@$(MAKE) --no-print-directory .table1

.PHONY: .table1
.table1: $(INSTALLED)
	@set -e; for font in $(TRAINING_FONTS); do \
		$(BIN)/wavenet-ae render-soundfont --soundfont="$$font" --velocities=40,80,120 \
			--instruments=$(HELD_OUT_INSTRUMENTS) $(TABLE1_RENDER_FLAGS) \
			--output="$(TABLE1)/notes/$$(basename "$$font")"; done
	$(BIN)/wavenet-ae render-soundfont --soundfont="$(TEST_FONT)" --velocities=80 \
		$(TABLE1_RENDER_FLAGS) --output="$(TABLE1)/notes/$(notdir $(TEST_FONT))"
	$(BIN)/wavenet-ae build-dataset --data_dir="$(TABLE1)/instruments" --split=test_only \
		$(foreach font,$(TRAINING_FONTS),--notes="$(TABLE1)/notes/$(notdir $(font))")
	$(BIN)/wavenet-ae build-dataset --data_dir="$(TABLE1)/soundfont" --split=test_only \
		--notes="$(TABLE1)/notes/$(notdir $(TEST_FONT))"
	@set -e; for held_out in instruments soundfont; do \
		$(BIN)/python experiments/evaluate.py --config=experiments/configs/table1.py \
			--config.dataset.name=nsynth_json/test_only \
			--config.dataset.data_dir="$(TABLE1)/$$held_out" --config.wavenet=pretrained \
			--config.spectral=pretrained --config.classifier=pretrained \
			--workdir="$(TABLE1)/results/$$held_out" $(TABLE1_FLAGS); done

# Trains the three pretrained models for hours, exports them, and evaluates them on instruments and
# on a SoundFont that were held out.
pretrained: .system
	@sh tools/system_packages.sh --fonts
	@$(MAKE) --no-print-directory .pretrained

.PHONY: .pretrained
.pretrained: $(INSTALLED)
	@set -e; for font in $(TRAINING_FONTS); do \
		$(BIN)/wavenet-ae render-soundfont --soundfont="$$font" \
			--output="$(PRETRAINED)/notes/$$(basename "$$font")" $(PRETRAINED_RENDER_FLAGS); done
	$(BIN)/wavenet-ae render-soundfont --soundfont="$(TEST_FONT)" \
		--output="$(PRETRAINED)/notes/$(notdir $(TEST_FONT))" $(PRETRAINED_TEST_RENDER_FLAGS)
	$(BIN)/wavenet-ae build-dataset --data_dir="$(PRETRAINED)/datasets" \
		$(foreach font,$(TRAINING_FONTS),--notes="$(PRETRAINED)/notes/$(notdir $(font))")
	$(BIN)/wavenet-ae build-dataset --data_dir="$(PRETRAINED)/datasets" \
		--notes="$(PRETRAINED)/notes/$(notdir $(TEST_FONT))" --split=test_only
	$(BIN)/wavenet-ae render-synthetic --output="$(PRETRAINED)/notes/synthetic" \
		--num_instruments=500 --notes_each=40 $(PRETRAINED_SYNTHETIC_FLAGS)
	$(BIN)/wavenet-ae build-dataset --data_dir="$(PRETRAINED)/datasets_with_synthetic" \
		$(foreach font,$(TRAINING_FONTS),--notes="$(PRETRAINED)/notes/$(notdir $(font))") \
		--train_only="$(PRETRAINED)/notes/synthetic"
	@set -e; train() { \
		config="$$1"; run="$$2"; shift 2; \
		$(LARGE_PAGES) $(BIN)/python experiments/train.py --config="experiments/configs/$$config" \
			--config.dataset.data_dir="$(PRETRAINED)/datasets" --workdir="$(PRETRAINED)/$$run" \
			"$$@" $(PRETRAINED_TRAIN_FLAGS); }; \
	train classifier.py:pretrained classifier_soundfonts; \
	train classifier.py:pretrained classifier \
		--config.init_from="$(PRETRAINED)/classifier_soundfonts" \
		--config.dataset.data_dir="$(PRETRAINED)/datasets_with_synthetic" --config.num_steps=4500 \
		'--config.optimizer.learning_rates=(1.5e-3,5e-4,1.5e-4)' \
		'--config.optimizer.boundaries=(3300,4100)'; \
	train spectral_ae.py:pretrained spectral; \
	train wavenet_ae.py:pretrained wavenet_clean; \
	train wavenet_ae.py:pretrained_noisy wavenet_1024 \
		--config.init_from="$(PRETRAINED)/wavenet_clean"; \
	train wavenet_ae.py:pretrained_noisy wavenet_2048 \
		--config.init_from="$(PRETRAINED)/wavenet_1024" --config.crop_samples=2048 \
		--config.num_steps=9000 '--config.optimizer.boundaries=(4000,6500,8000)'; \
	train wavenet_ae.py:pretrained_noisy wavenet_4096 \
		--config.init_from="$(PRETRAINED)/wavenet_2048" --config.crop_samples=4096 \
		--config.num_steps=4200 '--config.optimizer.boundaries=(2600,3300,3800)'; \
	train wavenet_ae.py:pretrained_noisy wavenet_8192 \
		--config.init_from="$(PRETRAINED)/wavenet_4096" --config.crop_samples=8192 \
		--config.num_steps=2600 '--config.optimizer.boundaries=(1300,1900,2300)' \
		--config.ema_decay=0.998; \
	train wavenet_ae.py:pretrained_lags wavenet_lags \
		--config.init_from="$(PRETRAINED)/wavenet_8192"; \
	train wavenet_ae.py:pretrained_lags wavenet --config.init_from="$(PRETRAINED)/wavenet_lags" \
		--config.dataset.decoder_input_shaped_noise=0.1 --config.num_steps=600 \
		'--config.optimizer.learning_rates=(1e-3,5e-4,2e-4)' \
		'--config.optimizer.boundaries=(300,480)' --config.ema_decay=0.99
	@set -e; for model in classifier spectral wavenet; do \
		$(BIN)/wavenet-ae export --checkpoint="$(PRETRAINED)/$$model" \
			--output="$(PRETRAINED)/weights/$$model" --dtype=bfloat16; done
	@set -e; for dataset in by_instrument test_only; do \
		$(BIN)/python experiments/evaluate.py --config=experiments/configs/table1.py \
			--config.dataset.name=nsynth_json/$$dataset \
			--config.dataset.data_dir="$(PRETRAINED)/datasets" \
			--config.wavenet="$(PRETRAINED)/weights/wavenet" \
			--config.spectral="$(PRETRAINED)/weights/spectral" \
			--config.classifier="$(PRETRAINED)/weights/classifier" \
			--workdir="$(PRETRAINED)/results/$$dataset" $(PRETRAINED_EVALUATE_FLAGS); \
		$(BIN)/wavenet-ae interpolate --dataset=nsynth_json/$$dataset \
			--data_dir="$(PRETRAINED)/datasets" --wavenet="$(PRETRAINED)/weights/wavenet" \
			--spectral="$(PRETRAINED)/weights/spectral" \
			--classifier="$(PRETRAINED)/weights/classifier" \
			--output="$(PRETRAINED)/between/$$dataset" $(PRETRAINED_BETWEEN_FLAGS); done

# Trains a network to translate between piano, violin and flute, and another without the confusion of
# domains, and evaluates both.
translation: .system
	@$(MAKE) --no-print-directory .translation

# Melodies of its own for each instrument (another seed), in a range that all of them play.
.PHONY: .translation
.translation: .soundfont $(INSTALLED)
	@set -e; seed=0; for instrument in 0 40 73; do seed=$$((seed + 1)); \
		$(BIN)/wavenet-ae render-phrases "$(SOUNDFONT)" --instruments=$$instrument --seed=$$seed \
			--lowest=60 --highest=84 $(TRANSLATION_RENDER_FLAGS) \
			--output="$(TRANSLATION)/phrases"; done
	$(BIN)/wavenet-ae build-dataset --data_dir="$(TRANSLATION)/datasets" --name=phrases \
		--recordings=piano="$(TRANSLATION)/phrases/acoustic_grand_piano" \
		--recordings=violin="$(TRANSLATION)/phrases/violin" \
		--recordings=flute="$(TRANSLATION)/phrases/flute"
	@set -e; train() { \
		run="$$1"; shift; \
		$(LARGE_PAGES) $(BIN)/python experiments/train.py \
			--config=experiments/configs/translation.py:pretrained \
			--config.dataset.data_dir="$(TRANSLATION)/datasets" --workdir="$(TRANSLATION)/$$run" \
			$(TRANSLATION_TRAIN_FLAGS) "$$@"; }; \
	train run; \
	train without_confusion --config.domain_weight=0.0
	$(BIN)/python experiments/evaluate.py --config=experiments/configs/translation_scores.py \
		--config.translation="$(TRANSLATION)/run" \
		--config.without_confusion="$(TRANSLATION)/without_confusion" \
		--workdir="$(TRANSLATION)/results" $(TRANSLATION_EVALUATE_FLAGS)

# Trains a WaveNet to play piano pieces from their notes, and looks for the notes in what it plays.
midi: .system
	@$(MAKE) --no-print-directory .midi

.PHONY: .midi
.midi: .soundfont $(INSTALLED)
	$(BIN)/wavenet-ae render-midi --soundfont="$(SOUNDFONT)" --seed=1 $(MIDI_RENDER_FLAGS) \
		--output="$(MIDI)/pieces"
	$(BIN)/wavenet-ae build-dataset --performances="$(MIDI)/pieces" \
		--data_dir="$(MIDI)/datasets" --name=piano
	$(LARGE_PAGES) $(BIN)/python experiments/train.py \
		--config=experiments/configs/midi_wavenet.py:pretrained \
		--config.dataset.data_dir="$(MIDI)/datasets" --workdir="$(MIDI)/run" $(MIDI_TRAIN_FLAGS)
	$(BIN)/python experiments/evaluate.py --config=experiments/configs/performance_scores.py \
		--config.midi="$(MIDI)/run" --workdir="$(MIDI)/results" $(MIDI_EVALUATE_FLAGS)

# The TPU's compiler, in the version that JAX needs. Kept apart from the other packages:
# among them, JAX would look for a TPU at every start.
libtpu: $(INSTALLED)
	@test -e .venv/libtpu/libtpu || $(BIN)/python -m pip install --quiet \
		--disable-pip-version-check --no-deps --target=.venv/libtpu \
		"$$($(BIN)/python tools/libtpu_requirement.py)"

# Where there is no libtpu, the tests that need it are skipped. `make test` compiles programs without
# optimisations, `make test-all` as users do.
test-all: export XLA_FLAGS ?=
test test-all: setup
	-@$(MAKE) --no-print-directory libtpu
	$(BIN)/python -m pytest --numprocesses=auto --maxprocesses=4 \
		--dist=worksteal \
		$(if $(filter test-all,$@),-m 'slow or not slow')

lint: $(INSTALLED)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/biome check
