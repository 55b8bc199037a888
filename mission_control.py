"""Everything you can change: edit a line, then run `python main.py`.

For one run only: `python main.py BATCH_SIZE=32 N_ITERATIONS=5000`. All of it at a glance: `python main.py --help`.
A relative path in this file begins at the folder of this file; on the command line it begins where you are.
"""

# What to do
LOAD = False  # True makes roses from a saved model instead of training
RESUME = False  # True goes on training the run named by RUN, exactly where it stopped
RUN = 'latest'  # the run that LOAD and RESUME open: 'latest', its name or how that begins, its path, or a checkpoint's

# Your pictures
DATASET_PATH = './Dataset/Roses/'  # a folder of pictures, subfolders included
DATASET_CHOSEN = 'roses'  # its name: runs are kept in RESULTS_PATH/DATASET_CHOSEN (with DATASET_PATH=… that folder's)
IMAGE_SIZE = 64  # height and width in pixels: 16, 32, 64 (the article's), 128 or 256
CHANNELS = 3  # of a picture: 3 colours, 1 for grey, 4 for colours with transparency
FIT = 'crop'  # 'crop' takes the middle of a picture, 'pad' shows all of it, 'stretch' scales both sides to fit
LABELS = ''  # 'folders' learns several kinds of pictures at once: each folder in DATASET_PATH is one

# Training
RECIPE = 'article'  # 'auto' switches on what helps: all five remedies below, and our model of roses to start from
N_ITERATIONS = 30000  # one iteration is one batch: a few thousand show whether it learns
BATCH_SIZE = 12  # pictures in a batch, at most as many as there are in the folder
LEARNING_RATE = 0.0002  # Adam's step size, for both networks
BETA_1 = 0.5  # Adam's decay of the mean gradient, for both networks
Z_DIM = 100  # length of z, the noise that a rose is made from

# Roses from a saved model (LOAD)
N_SAMPLES = 12  # how many roses: in LOAD's grid or files, and in the grids made while training
SAMPLE_AS = 'grid'  # 'images', 'interpolation', 'frames', 'measures', 'savedmodel', 'page', or several: 'grid,page'
LABEL = ''  # of a model that was trained with LABELS: 'tulips', 'tulips,roses', or '' for all kinds in turn
SEED = None  # None draws one; a whole number makes a run, or LOAD's roses, repeatable; [7, 12, 40] are these roses

# You may stop reading here. What follows is for those who want more.

# Remedies that the article does not have (docs/few_pictures.md); what you switch on yourself, RECIPE leaves as it is
MIRROR = False  # True turns half of each batch left to right, at random
AUGMENT = ''  # changes all that the discriminator sees; try 'translation'; also 'color', 'cutout', 'rotation'
R1_GAMMA = 0.0  # keeps the discriminator calm near your pictures; 0 is off, try 0.1
EMA_DECAY = 0.0  # makes roses from a moving average of the weights; 0 is off, try 0.999
SMOOTH = 0  # layers whose output is filtered, against the finest checkerboard; 1 is the last one, 2 the last two
START_FROM = ''  # a run whose weights a new run begins with, named as RUN is, or 'shipped': our model of roses

# Details
WIDTH = 64  # channels of the layer next to the picture: 64 is the article's; 32 costs a quarter, 128 is the paper's
RESULTS_PATH = './Results/'  # where runs are kept
PRECISION = 'auto'  # takes 'bfloat16' where the processor has instructions for it, else 'float32', and says so
STOP_WHEN = ''  # 'no better' ends a run when the measured distance to your pictures no longer falls
GRID_EVERY = 20  # iterations from one grid of roses to the next; after a hundred grids ten times as many
CHECKPOINT_EVERY = 1000  # iterations from one checkpoint to the next, each measured; also at the end, and on Ctrl-C
CHECKPOINTS_KEPT = 5  # the newest are kept, 108 MB each at 64 pixels; beside them the best one
CHECKPOINT = 'latest'  # LOAD takes the newest; 'best': measured nearest to your pictures, no copies; 3000: that one
ENLARGE = 1  # LOAD's grid, files, interpolation and frames are so many times as large: each pixel a square
PROJECT = ''  # a picture, or a folder of pictures, whose nearest roses LOAD looks for
N_FRAMES = 120  # of the interpolation, or the frames, which walk from rose to rose and back to the first
