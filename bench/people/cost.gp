# scripts/bench.sh people --columns runs/people.jsonl > runs/people.txt; gnuplot -e "input='runs/people.txt'; output='runs/people.svg'" bench/people/cost.gp
set terminal svg size 720,480
set output output
set logscale xy
set grid
set key left top
set xlabel "ratings"
set ylabel "seconds an epoch, rank 64"
plot input using 1:2 with linespoints title "Attune, CG (3 steps)", \
     input using 1:3 with linespoints title "Attune, Cholesky", \
     input using 1:4 with linespoints title "implicit, CG (3 steps)"
