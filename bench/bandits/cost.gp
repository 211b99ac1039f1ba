# scripts/bench.sh bandits --columns runs/bandits.jsonl > runs/bandits.txt; gnuplot -e "input='runs/bandits.txt'; output='runs/bandits.svg'" bench/bandits/cost.gp
set terminal svg size 720,480
set output output
set logscale xy
set grid
set key left top
set xlabel "states Z, arms K or features d, particles (the others: Z = 5, K = 20, d = 10)"
set ylabel "microseconds a user, one core"
plot input index 0 using 1:($2 / 1000) with linespoints title "update, by Z", \
     input index 0 using 1:3 with linespoints title "decide and update by features, by Z", \
     input index 1 using 1:3 with linespoints title "decide and update by features, by K", \
     input index 2 using 1:3 with linespoints title "decide and update by features, by d", \
     input index 3 using 1:2 with linespoints title "a round of mmTS, by particles"
