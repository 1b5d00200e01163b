set terminal svg size 1240,440 dynamic enhanced rounded font 'sans-serif,14' background rgb '#fcfcfa'
set encoding utf8
set multiplot layout 1,2
$p0s0 << EOD
0.0 0.0
100.0 0.1
200.0 0.15
300.0 0.17
400.0 0.18
EOD
$p0s1 << EOD
0.0 0.0
100.0 0.11
200.0 0.15
300.0 0.17
400.0 0.18
EOD
$p0s2 << EOD
0.0 -0.01
100.0 0.1
200.0 0.14
300.0 0.16
400.0 0.17
400.0 0.19
300.0 0.18
200.0 0.16
100.0 0.12
0.0 0.0
EOD
$p0s3 << EOD
0.0 0.05
100.0 0.05
200.0 NaN
300.0 0.05
400.0 0.05
EOD
set title '{/:Bold Figure 0: it''s a test}'."\n".'{/*0.85 lines: this run; marks: published; shaded: twins}' offset 0,0.3 tc rgb '#222222'
set border 3 lc rgb '#555555' lw 1
set grid xtics ytics lt 1 lc rgb '#e2e2e0' lw 1
set tics nomirror out scale 0.6 tc rgb '#333333'
set xlabel 'training step k  [steps]'."\n".'' offset 0,0.4 tc rgb '#222222'
set ylabel '(F_{GD} − F_k) / F_{GD}  [1]' tc rgb '#222222'
set xrange [0.0:400.0]
set yrange [-0.020500000000000004:0.21050000000000002]
set samples 2
set key below center horizontal Left reverse samplen 3.5 width 2 tc rgb '#222222'
set format x '%h'
set format y '%h'
plot $p0s2 with filledcurves closed fc rgb '#0072b2' fs transparent solid 0.22 noborder notitle, \
  0.2 with lines lc rgb '#555555' lw 1.2 dt (2,3) notitle, \
  $p0s1 with lines lc rgb '#0072b2' lw 2 dt solid notitle, \
  $p0s3 with lines lc rgb '#777777' lw 1.5 dt (5,4) notitle, \
  $p0s0 with points lc rgb '#fcfcfa' pt 7 ps 0.75 notitle, \
  $p0s0 with points lc rgb '#0072b2' lw 1.5 pt 6 ps 0.75 notitle, \
  NaN with linespoints lc rgb '#0072b2' lw 2 dt solid pt 6 ps 0.75 title 'eta = 1e-3', \
  NaN with lines lc rgb '#777777' lw 1.5 dt (5,4) title 'baseline', \
  NaN with lines lc rgb '#555555' lw 1.2 dt (2,3) title 'GD, P = 1.5'
reset
$p1s0 << EOD
0.0 500.0
100.0 10.0
200.0 0.1
300.0 NaN
400.0 1e-06
EOD
set title '{/:Bold Gap}' offset 0,0.3 tc rgb '#222222'
set border 3 lc rgb '#555555' lw 1
set grid xtics ytics lt 1 lc rgb '#e2e2e0' lw 1
set tics nomirror out scale 0.6 tc rgb '#333333'
set xlabel 'iteration t  [1]'."\n".'' offset 0,0.4 tc rgb '#222222'
set ylabel 'F(X_t) − F^{*}  [1]' tc rgb '#222222'
set xrange [0.0:400.0]
set yrange [3.673258563827987e-07:1361.189231065015]
set samples 2
set key below center horizontal Left reverse samplen 3.5 width 2 tc rgb '#222222'
set format x '%h'
set logscale y 10
set format y '10^{%L}'
plot $p1s0 with lines lc rgb '#d55e00' lw 2 dt (18,4) notitle, \
  NaN with lines lc rgb '#d55e00' lw 2 dt (18,4) title 'measured'
reset
unset multiplot
