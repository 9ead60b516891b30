"""The words of the joke task: the question, the kinds of cartoon scene, and the jokes that fit each of them.

All jokes were written for this kit. Each names something that only its own scene shows, so that a reader (and a metric)
can tell which scene a joke belongs to.
"""

from dataclasses import dataclass

QUESTION = "<image>\n请你根据这张图片，讲一个脑洞大开的梗"


@dataclass(frozen=True)
class SceneText:
    """A kind of scene in words: its names, and its jokes as a mapping joke -> English gloss."""

    zh: str
    en: str
    glosses: dict[str, str]


SCENES = {
    "cat_keyboard": SceneText("猫睡在电脑上", "a cat asleep on a computer", {
        "老板，这份报告是我家猫写的。": "Boss, this report was written by my cat.",
        "键盘太暖和，代码全靠尾巴敲。": "The keyboard is so warm that all code is typed by tail.",
        "本喵正在加班，请不要摸头。": "This kitty is working overtime: please do not pat.",
        "程序里没有虫，只有一层猫毛。": "No bugs in the program, only a layer of cat hair.",
        "密码是二十七个呼噜，你猜吧。": "The password is twenty-seven purrs. Go on, guess.",
    }),
    "alarm_chase": SceneText("闹钟追人", "an alarm clock chasing a person", {
        "闹钟学会跑步，我再也没迟到。": "Since the alarm clock learned to run I have never been late.",
        "别追了，再睡五分钟行不行？": "Stop chasing me! Five more minutes, all right?",
        "时间不等人，但它会追人。": "Time waits for no one, but it does chase people.",
        "我的晨跑教练，名字叫七点半。": "My morning running coach is called Half Past Seven.",
        "刚跑赢周一，周二又在后面。": "Just outran Monday, and here comes Tuesday.",
    }),
    "rain_dog": SceneText("雨中打伞的狗", "a dog with an umbrella in the rain", {
        "主人忘了带伞，只好派我去接。": "My human forgot the umbrella, so I was sent to fetch him.",
        "洗澡都不肯，还想让雨给我洗？": "I refuse even baths, and the rain thinks it may wash me?",
        "天气预报说要下猫，我才出门。": "The forecast said it would rain cats; that is why I am out.",
        "湿了叫落汤狗，我不想改名。": "Wet, I would be called a drowned dog. I like my name.",
        "我撑的不是伞，是狗生的体面。": "It is not an umbrella I hold up, it is a dog's dignity.",
    }),
    "cow_car": SceneText("牛坐小车", "a cow on a tiny car", {
        "这车跑一百公里，只烧一捆草。": "This car does a hundred kilometres on one bale of hay.",
        "鲜奶送货，奶源亲自到家。": "Fresh milk delivery: the source comes in person.",
        "超载？我只带了一头自己。": "Overloaded? I only brought one head of me.",
        "司机请慢点，我怕变成奶昔。": "Slowly, driver, or I shall turn into a milkshake.",
        "天窗不是窗，是给牛留的座。": "That is no sunroof, it is the seat kept for the cow.",
    }),
    "rabbit_bed": SceneText("大兔子睡小床", "a giant rabbit on a small bed", {
        "胡萝卜吃多了，一夜床变小了。": "Too many carrots: overnight the bed has shrunk.",
        "说好是迷你兔，怎么长成了山？": "They promised a mini rabbit. How did it become a mountain?",
        "床腿写了辞职信：兔子太重。": "The bed's legs have handed in their notice: rabbit too heavy.",
        "两只耳朵睡床，主人睡地板。": "The two ears get the bed, the owner gets the floor.",
        "别数羊了，数我一只就够。": "Stop counting sheep. Counting me once is enough.",
    }),
    "penguin_beach": SceneText("企鹅在沙滩", "a penguin on a beach", {
        "南极太挤，我来海边躺一躺。": "Antarctica is too crowded, I came to lie on the beach.",
        "谁把空调开到三十八度？": "Who set the air conditioning to thirty-eight degrees?",
        "防晒霜涂了三斤，肚皮还是白。": "Three pounds of sun cream, and my belly is still white.",
        "我点的冰山，怎么化成一杯水？": "I ordered an iceberg. Why is it a glass of water?",
        "穿西装晒太阳，随时回去开会。": "Sunbathing in a suit, ready to be called into a meeting.",
    }),
    "book_tower": SceneText("人和书山", "a person on a tower of books", {
        "说好只翻两页书，结果翻车了。": "I meant to turn two pages, and overturned the lot.",
        "知识就是力量，可惜太压腰。": "Knowledge is power; a pity about my back.",
        "考试前一晚，我把书都抱一遍。": "The night before the exam I hugged every book once.",
        "我不是在看书，我是在盖楼。": "I am not reading, I am building a high-rise.",
        "书中有没有黄金？先找梯子。": "Is there gold in books? First find me a ladder.",
    }),
    "cow_tree": SceneText("牛上树", "a cow up a tree", {
        "听说高处的草，味道比较香。": "I hear that the grass tastes better higher up.",
        "没人吹牛，我只好自己上天。": "Nobody was blowing the cow up, so I climbed by myself.",
        "小鸟靠翅膀，我全靠四个胃。": "Birds have wings, I have four stomachs.",
        "别摇，今年的果子有点重。": "Do not shake: this year's fruit is rather heavy.",
        "牛气冲天，就是不敢往下看。": "Bullish to the skies, but do not make me look down.",
    }),
    "cat_fish": SceneText("猫看鱼缸", "a cat staring at a fish bowl", {
        "鱼以为我爱它，其实我饿了。": "The fish thinks that I love it. In fact I am hungry.",
        "隔着玻璃对看，谁先眨眼谁输。": "A staring match through glass: who blinks first loses.",
        "猫说只看不吃，口水说不信。": "The cat says just looking. Its drool says otherwise.",
        "我家的外卖，都养在缸里。": "In my home the takeaway lives in a tank.",
        "七秒以后，鱼又重新认识我。": "In seven seconds the fish will meet me all over again.",
    }),
    "dog_professor": SceneText("狗教授讲课", "a dog professor giving a lecture", {
        "今天这节课，讲骨头怎么埋。": "Today's lecture: how to bury bones.",
        "汪教授说：作业不许自己吃掉。": "Professor Woof says: do not eat your own homework.",
        "上课别摇尾巴，后排看不见。": "No tail wagging in class, the back row cannot see.",
        "第一章：扔出去的球去哪了。": "Chapter one: where did the thrown ball go?",
        "同学，你的论文闻起来不对。": "Young man, your thesis smells wrong.",
    }),
    "car_tree": SceneText("车停树上", "a car parked in a tree", {
        "城里停车太难，我停到树上了。": "Parking in town is so hard that I took the tree.",
        "导航说直走，没说往上走。": "The navigator said straight on, not straight up.",
        "这棵树结的果，是新能源。": "This tree bears new-energy fruit.",
        "交警喊：罚单太高，够不着！": "The traffic warden: the fine is too high, I cannot reach!",
        "倒车请注意，小鸟请让一让。": "Attention, reversing. Little birds, please make way.",
    }),
    "fish_bed": SceneText("咸鱼躺平", "a fish lying flat in bed", {
        "咸鱼翻身，只是换一边躺。": "The salted fish turns its fate over, to lie on the other side.",
        "今天的计划：从左躺到右。": "Today's plan: lie from left to right.",
        "别叫醒我，我正在自己入味。": "Do not wake me, I am marinating.",
        "梦里当鲸鱼，醒来接着躺平。": "A whale in my dreams; awake, I go on lying flat.",
        "盖好被子，免得被盖上锅盖。": "Keep the quilt on, lest they put the pan lid on.",
    }),
    "dog_walks_person": SceneText("狗遛人", "a dog walking a person on a lead", {
        "今天轮到我遛人，绳子牵好。": "My turn to walk the human today. Hold the lead tight.",
        "我家这个人不咬，就是走得慢。": "This human of mine does not bite, he is just slow.",
        "乖，走完这圈就给你玩手机。": "Good boy. One more lap and you may have the phone.",
        "请文明遛人，零食自己带。": "Walk your human responsibly and bring treats.",
        "他看见沙发就冲，我拉不住。": "He bolts at every sofa he sees, I cannot hold him.",
    }),
    "penguin_balloons": SceneText("企鹅坐气球", "a penguin flying with balloons", {
        "翅膀白长了，还是气球可靠。": "The wings were a waste, balloons are reliable.",
        "谁说企鹅不会飞？我在云上。": "Who says penguins cannot fly? I am above the clouds.",
        "飞机没座位，我买了站票。": "No seats on the plane, so I bought standing room.",
        "上来容易下去难，谁有针？": "Up was easy, down is hard. Has anyone got a pin?",
        "减肥真有用，我已经飘起来了。": "The diet really works: I am already floating.",
    }),
    "computer_bed": SceneText("电脑生病", "a sick computer in bed", {
        "医生让我多重启，少熬夜。": "The doctor says: more reboots, fewer late nights.",
        "发烧四十度，风扇也救不了。": "A fever of forty, and even the fan cannot help.",
        "病因：一口气开了百个网页。": "Cause of illness: a hundred tabs in one go.",
        "内存里全是自拍，我有点晕。": "My memory is all your selfies. I feel dizzy.",
        "请一天病假，关机，别找我。": "Sick leave, one day. Powered off, do not look for me.",
    }),
    "fish_umbrella": SceneText("鱼打伞", "a fish under an umbrella", {
        "中医说我湿气太重，少碰水。": "My herbalist says that I am too damp: avoid water.",
        "刚做的发型，一滴也不能淋。": "Fresh hairdo: not one drop on it.",
        "第一次上岸，原来天上也有海。": "First time ashore, and it turns out that the sky has a sea.",
        "怕水的鱼，才有远大的梦想。": "Only a fish that fears water has great dreams.",
        "打伞不是怕雨，是怕游回老家。": "Not afraid of the rain, only of swimming back home.",
    }),
}
