"""Each layer against NumPy in float64; initial values, names and shapes of its variables."""

import numpy as np
import pytest
import tensorflow.compat.v1 as tf

from gans_n_roses.networks.ops import SMOOTHING, batch_norm, conv2d, conv_transpose, dense, lrelu, smooth


def evaluate(layer, x, weights):
    """Run a layer on x with its variables set: name → array."""
    with tf.Graph().as_default(), tf.Session() as session:
        placeholder = tf.placeholder(tf.float32, [None, *x.shape[1:]])
        y = layer(placeholder)
        variables = {variable.name: variable for variable in tf.global_variables()}
        assert variables.keys() == weights.keys()
        for name, value in weights.items():
            variables[name].load(value.astype(np.float32), session)
        return session.run(y, {placeholder: x})


def initial(layer, shape):
    """Initial values of a layer's trainable variables: name → array."""
    with tf.Graph().as_default(), tf.Session() as session:
        tf.set_random_seed(1)
        layer(tf.placeholder(tf.float32, shape))
        assert tf.global_variables() == tf.trainable_variables()
        session.run(tf.global_variables_initializer())
        return {variable.name: session.run(variable) for variable in tf.trainable_variables()}


def uniform(*shape, seed=0):
    return np.random.RandomState(seed).uniform(-1, 1, shape).astype(np.float32)


@pytest.fixture(params=['processor', 'GPU'])
def device(request, monkeypatch):
    """What TensorFlow says it has, wherever it computes: with a GPU the layers take its own convolutions."""
    monkeypatch.setattr(tf.config, 'list_physical_devices', lambda kind: ['a GPU'] * (request.param == 'GPU'))
    return request.param


def test_small_convolutions_are_products_on_a_processor_and_the_librarys_on_a_gpu(device):
    with tf.Graph().as_default() as graph:
        conv_transpose(conv2d(tf.zeros([1, 8, 8, 3]), 4, 'down'), 3, 'up')
        found = {op.type for op in graph.get_operations()} & {'Conv2D', 'Conv2DBackpropInput'}
    assert found == ({'Conv2D', 'Conv2DBackpropInput'} if device == 'GPU' else set())


@pytest.mark.usefixtures('device')
@pytest.mark.parametrize(('height', 'width'), [(8, 8), (16, 4), (2, 6)])
def test_conv2d_is_a_5x5_convolution_at_stride_2_with_same_padding(oracle, height, width):
    x, w, b = uniform(3, height, width, 2), uniform(5, 5, 2, 4, seed=1), uniform(4, seed=2)
    y = evaluate(lambda x: conv2d(x, 4, 'layer'), x, {'layer/w:0': w, 'layer/b:0': b})
    assert y.shape == (3, height // 2, width // 2, 4)
    np.testing.assert_allclose(y, oracle.conv2d(x, w, b), atol=1e-5)


@pytest.mark.usefixtures('device')
@pytest.mark.parametrize(('height', 'width'), [(4, 4), (3, 5), (1, 2)])
def test_conv_transpose_lays_out_filters_2_pixels_apart_and_adds_its_bias(oracle, height, width):
    x, w, b = uniform(3, height, width, 4), uniform(5, 5, 2, 4, seed=1), uniform(2, seed=2)
    y = evaluate(lambda x: conv_transpose(x, 2, 'layer'), x, {'layer/w:0': w, 'layer/b:0': b})
    assert y.shape == (3, 2 * height, 2 * width, 2)
    np.testing.assert_allclose(y, oracle.conv_transpose(x, w, b), atol=1e-5)


@pytest.mark.usefixtures('device')
@pytest.mark.parametrize('batch', [1, 3])
def test_conv_transpose_knows_its_output_shape_where_the_batch_is_given(batch):
    with tf.Graph().as_default():
        assert conv_transpose(tf.zeros([batch, 4, 4, 2]), 3, 'layer').shape.as_list() == [batch, 8, 8, 3]


def test_dense_multiplies_by_the_matrix_and_adds_the_bias(oracle):
    x, matrix, bias = uniform(4, 6), uniform(6, 3, seed=1), uniform(3, seed=2)
    y = evaluate(lambda x: dense(x, 3, 'layer'), x, {'layer/Matrix:0': matrix, 'layer/bias:0': bias})
    np.testing.assert_allclose(y, oracle.dense(x, matrix, bias), atol=1e-6)


# Of 4 values the biased variance is 3/4 of the unbiased one; at a spread of 0.03 epsilon is half of the divisor.
@pytest.mark.parametrize('spread', [0.03, 1, 100])
def test_batch_norm_in_training_uses_the_batchs_own_mean_and_biased_variance(oracle, spread):
    x, gamma, beta = spread * uniform(2, 2, 1, 3) + 0.5, uniform(3, seed=1), uniform(3, seed=2)
    y = evaluate(lambda x: batch_norm(x, 'layer'), x, {'layer/gamma:0': gamma, 'layer/beta:0': beta})
    np.testing.assert_allclose(y, oracle.batch_norm(x, gamma, beta), atol=1e-4)


def test_batch_norm_with_given_moments_makes_each_picture_independent_of_its_batch(oracle):
    x, gamma, beta = uniform(3, 4, 4, 2), uniform(2, seed=1), uniform(2, seed=2)
    mean, variance = np.float32([0.3, -0.2]), np.float32([0.002, 0.7])
    weights = {'layer/gamma:0': gamma, 'layer/beta:0': beta}

    def layer(x):
        return batch_norm(x, 'layer', moments=(tf.constant(mean), tf.constant(variance)))
    together = evaluate(layer, x, weights)
    np.testing.assert_allclose(together, oracle.batch_norm(x, gamma, beta, (mean, variance)), rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(evaluate(layer, x[1:2], weights), together[1:2], rtol=1e-6)


def test_lrelu_leaks_a_fifth_below_zero():
    x = np.float32([[-10, -1, -0.0, 0, 0.5, 10]])
    np.testing.assert_allclose(evaluate(lrelu, x, {}), [[-2, -0.2, 0, 0, 0.5, 10]], rtol=1e-6)
    np.testing.assert_allclose(evaluate(lambda x: lrelu(x, leak=0.5), x, {}), [[-5, -0.5, 0, 0, 0.5, 10]], rtol=1e-6)


@pytest.mark.parametrize(('height', 'width'), [(16, 16), (5, 8), (3, 3)])
def test_smooth_filters_rows_and_columns(oracle, height, width):
    x, taps = uniform(2, height, width, 3), uniform(5, seed=1)
    np.testing.assert_allclose(evaluate(lambda x: smooth(x, 'layer'), x, {'layer/taps:0': taps}),
                               oracle.smooth(x, taps), atol=1e-5)


def test_smoothing_ends_what_alternates_and_keeps_what_changes_slowly():
    def smoothed(x):
        return evaluate(lambda x: smooth(x, 'layer'), np.float32(x)[np.newaxis, ..., np.newaxis],
                        {'layer/taps:0': np.array(SMOOTHING)})[0, ..., 0]
    row, column = np.mgrid[:16, :16]
    slow = 3 + 0.5 * row - 0.2 * column
    np.testing.assert_allclose(smoothed(slow)[2:-2, 2:-2], slow[2:-2, 2:-2], atol=1e-5)
    for pattern in ((-1)**row, (-1)**column, (-1)**(row + column), (-1)**row * np.cos(column)):
        np.testing.assert_allclose(smoothed(pattern), 0, atol=1e-6)
    wave = np.cos(np.pi / 8 * column)  # 16 pixels long
    assert np.abs(smoothed(wave) - wave)[:, 2:-2].max() < 0.01


def test_the_filter_of_smooth_is_not_trained():
    with tf.Graph().as_default(), tf.Session() as session:
        smooth(tf.zeros([1, 8, 8, 3]), 'layer')
        assert not tf.trainable_variables()
        taps, = tf.global_variables()
        session.run(tf.global_variables_initializer())
        assert (taps.op.name, session.run(taps).tolist()) == ('layer/taps', [-1 / 16, 1 / 4, 5 / 8, 1 / 4, -1 / 16])


@pytest.mark.parametrize(('layer', 'shape', 'w_shape'), [
    (lambda x: conv2d(x, 64, 'layer'), [None, 8, 8, 32], (5, 5, 32, 64)),
    (lambda x: conv_transpose(x, 64, 'layer'), [None, 8, 8, 32], (5, 5, 64, 32)),
], ids=['conv2d', 'conv_transpose'])
def test_filters_begin_truncated_normal_and_biases_zero(layer, shape, w_shape):
    values = initial(layer, shape)
    assert {name: value.shape for name, value in values.items()} == {'layer/w:0': w_shape, 'layer/b:0': (64,)}
    assert np.abs(values['layer/w:0']).max() <= 0.04
    # Cut off at 2 σ, a normal keeps 0.8796 of its standard deviation.
    assert values['layer/w:0'].std() == pytest.approx(0.02 * 0.8796, rel=0.02)
    assert abs(values['layer/w:0'].mean()) < 4e-4
    assert not values['layer/b:0'].any()


def test_dense_begins_normal_and_its_bias_zero():
    values = initial(lambda x: dense(x, 300, 'layer'), [None, 200])
    assert {name: value.shape for name, value in values.items()} == {
        'layer/Matrix:0': (200, 300), 'layer/bias:0': (300,)}
    assert values['layer/Matrix:0'].std() == pytest.approx(0.02, rel=0.02)
    assert np.abs(values['layer/Matrix:0']).max() > 0.06  # not truncated
    assert abs(values['layer/Matrix:0'].mean()) < 4e-4
    assert not values['layer/bias:0'].any()


def test_batch_norm_begins_with_gamma_one_and_beta_zero_and_trains_both():
    values = initial(lambda x: batch_norm(x, 'layer'), [None, 4, 4, 7])
    assert values.keys() == {'layer/gamma:0', 'layer/beta:0'}
    np.testing.assert_array_equal(values['layer/gamma:0'], np.ones(7))
    np.testing.assert_array_equal(values['layer/beta:0'], np.zeros(7))


@pytest.mark.usefixtures('device')
@pytest.mark.parametrize(('height', 'width'), [(8, 8), (2, 6), (4, 16), (16, 16), (32, 4)])
def test_the_gradients_of_both_convolutions_equal_numpy(oracle, height, width):
    x, y, w = uniform(3, height, width, 4), uniform(3, height // 2, width // 2, 6, seed=2), uniform(5, 5, 4, 6, seed=1)
    with tf.Graph().as_default(), tf.Session() as session:
        large, small = (tf.placeholder(tf.float32, [None, *values.shape[1:]]) for values in (x, y))
        down, up = conv2d(large, 6, 'down'), conv_transpose(small, 4, 'up')
        of_down, _, of_up, _ = variables = tf.trainable_variables()
        for variable in variables:
            variable.load(w if len(variable.shape) == 4 else np.zeros(variable.shape), session)
        gradients = tf.gradients(down, [large, of_down], small), tf.gradients(up, [small, of_up], large)
        (to_x, down_w), (to_y, up_w) = session.run(gradients, {large: x, small: y})
    np.testing.assert_allclose(to_x, oracle.conv_transpose(y, w, 0), atol=1e-4)
    np.testing.assert_allclose(to_y, oracle.conv2d(x, w, 0), atol=1e-4)
    for found in (down_w, up_w):
        np.testing.assert_allclose(found, filter_gradient(x, y), atol=1e-4)


def filter_gradient(x, y):
    """Each tap's sum over all places of the pixel that it meets in x, one before y's place to three after, times y."""
    padded = np.pad(np.float64(x), [(0, 0), (1, 2), (1, 2), (0, 0)])
    (_, height, width, _), w = x.shape, np.empty([5, 5, x.shape[3], y.shape[3]])
    for row, column in np.ndindex(5, 5):
        met = padded[:, row:row + height:2, column:column + width:2]
        w[row, column] = np.einsum('nhwc,nhwo->co', met, y)
    return w


@pytest.fixture(scope='module')
def sums_in_float32():
    """Whether TensorFlow's own gradient of a filter in bfloat16 is summed in float32: bfloat16 ends at 256 ones."""
    x, y = np.ones([3, 32, 32, 1]), np.ones([3, 16, 16, 1])
    with tf.Graph().as_default(), tf.Session() as session:
        # Fed, since TensorFlow would compute with constants once and for all.
        feeds = {tf.placeholder(tf.bfloat16, ones.shape): ones for ones in (x, y)}
        pictures, gradient = feeds
        taps = tf.nn.conv2d_backprop_filter(pictures, [5, 5, 1, 1], gradient, [1, 2, 2, 1], 'SAME')
        try:
            largest = session.run(tf.cast(taps, tf.float32), feeds).max()
        except (tf.errors.AbortedError, tf.errors.UnimplementedError) as refusal:
            said = refusal.message.partition('message: ')[2].partition('.')[0]  # oneDNN's own words, where it has some
            pytest.skip(f'TensorFlow refuses bfloat16 here: {said or refusal.message}')
    return largest == y.sum()


@pytest.mark.parametrize('size', [8, 16, 32])
def test_convolutions_in_bfloat16_are_those_in_float32_to_its_rounding(size, sums_in_float32):
    """Each size takes a way of its own: all as products, the filters' gradient alone, none."""
    rng = np.random.RandomState(size)
    x = rng.uniform(-1, 1, [3, size, size, 4]).astype(np.float32)
    found = {}
    for dtype in (tf.float32, tf.bfloat16):
        with tf.Graph().as_default(), tf.Session() as session:
            tf.set_random_seed(1)
            pictures = tf.constant(x)
            down = conv2d(tf.cast(pictures, dtype), 5, 'down')
            up = conv_transpose(down, 4, 'up')
            loss = tf.reduce_sum(tf.cast(up, tf.float32) * x[..., :4])
            gradients = tf.gradients(loss, [pictures, *tf.trainable_variables()])
            assert up.dtype == dtype and all(gradient.dtype == tf.float32 for gradient in gradients)
            session.run(tf.global_variables_initializer())
            found[dtype] = session.run([tf.cast(up, tf.float32), *gradients])
    for exact, rounded in zip(found[tf.float32], found[tf.bfloat16], strict=True):
        assert exact.shape == rounded.shape
        of_library = exact.shape[:2] == (5, 5) and size > 16  # a filter's gradient that is no product
        off = 0.1 if of_library and not sums_in_float32 else 0.03
        np.testing.assert_allclose(rounded, exact, atol=off * np.abs(exact).max())


@pytest.mark.parametrize('size', [8, 16, 32])
def test_a_long_sum_in_bfloat16_is_whole_up_to_16_pixels_on_every_machine(size, sums_in_float32):
    """The gradients of a filter and of a bias whose every term is one: bfloat16 itself would stop at 256."""
    x = np.ones([12, size, size, 2], np.float32)
    with tf.Graph().as_default(), tf.Session() as session:
        pictures = tf.placeholder(tf.bfloat16, [12, size, size, 2])
        y = conv2d(pictures, 3, 'layer')
        of_filter, of_bias = tf.gradients(tf.reduce_sum(tf.cast(y, tf.float32)), tf.trainable_variables())
        session.run(tf.global_variables_initializer())
        middle_tap, bias = session.run([of_filter[2, 2], of_bias], {pictures: x})
    count = 12 * (size // 2)**2
    assert (bias == count).all()
    if size <= 16 or sums_in_float32:
        assert (middle_tap == count).all()
    else:
        assert (middle_tap >= 256).all() and (middle_tap < count).all()


def test_each_group_of_a_batch_is_normalized_by_its_own_statistics():
    x = np.random.RandomState(0).uniform(-1, 1, [6, 4, 4, 3]).astype(np.float32)
    x[3:] = 5 * x[3:] + 2
    with tf.Graph().as_default(), tf.Session() as session:
        together = batch_norm(tf.constant(x), 'bn', groups=2)
        with tf.variable_scope(tf.get_variable_scope(), reuse=True):
            apart = tf.concat([batch_norm(tf.constant(half), 'bn') for half in (x[:3], x[3:])], 0)
        session.run(tf.global_variables_initializer())
        np.testing.assert_allclose(*session.run([together, apart]), atol=1e-6)
